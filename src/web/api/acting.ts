import { ACTIONS, type Action, type Choice } from '../actions.ts';
import { enqueueRun, type Wanted } from '../enqueue.ts';
import type { Endpoint } from './endpoint.ts';
import { bool, int, object, type Schema, said, text } from './schema.ts';
import * as shapes from './shapes.ts';

/** What may be said beside each action. */
const CHOICES: Partial<Record<Action['name'], Record<string, Schema>>> = {
  pause: { drain: said(bool, 'Let what is under way end.') },
  retry: { partition: said(text, 'The key of one partition; left out: all that failed.') },
};

const STEERING: readonly Endpoint[] = ACTIONS.map(({ name, meaning, act }) => {
  const properties = CHOICES[name];
  return {
    method: 'POST',
    path: `/runs/{run}/${name}`,
    name: `${name}Run`,
    summary: meaning,
    ...(properties ? { body: { type: 'object', properties, additionalProperties: false } } : {}),
    answer: shapes.steered,
    // A verification goes on behind the answer.
    status: name === 'verify' ? 202 : 200,
    run: (web, { params, body, visitor }) => act(web, params.run, visitor!.name, (body ?? {}) as Choice),
  };
});

/** What can be done. */
export const ACTING: readonly Endpoint[] = [
  ...STEERING,
  {
    method: 'POST',
    path: '/jobs/{job}/runs',
    name: 'enqueueRun',
    summary:
      'Plans a run and puts its partitions into the queue; answers when that is done. Off unless the server allows it.',
    body: {
      type: 'object',
      properties: {
        params: said(
          { type: 'object', additionalProperties: text },
          'As typed; one that is missing takes its default.',
        ),
        force: said(bool, 'Load again what is in the table already.'),
        max_rejects: said(text, 'Rejects that a partition may have: a number, or a share such as 1%.'),
      },
      additionalProperties: false,
    },
    answer: object({ run: int, partitions: int, pending: int, skipped: int, failed: int }),
    run: async (web, { params, body, visitor }) => {
      const { params: given = {}, ...wanted } = (body ?? {}) as Partial<Wanted>;
      const {
        snapshot: _,
        warnings: __,
        ...counts
      } = await enqueueRun(web, params.job, { ...wanted, params: given }, visitor!.name);
      return counts;
    },
  },
];
