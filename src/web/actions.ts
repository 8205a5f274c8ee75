import { DrayageError } from '../base/errors.ts';
import { noteEvent } from '../control/events.ts';
import type { ListedRun } from '../control/run-list.ts';
import { ENDED, RUN_STEPS, type RunState, statesBefore } from '../model/state.ts';
import { cancelRun, pauseRun, resumeRun, retryRun, type Steered } from '../runs/steer.ts';
import { requireRun } from './run-data.ts';
import type { Web } from './web.ts';

/** What the one who acts has chosen beside the action itself. */
export interface Choice {
  /** With `pause`: what is under way may end. */
  drain?: boolean | undefined;
  /** With `retry`: the key of one partition; left out: all that failed. */
  partition?: string | undefined;
}

/** Something that people may do to a run. */
export interface Action {
  name: 'pause' | 'resume' | 'cancel' | 'retry' | 'verify';
  label: string;
  /** What it does, for those who are asked whether they are sure. */
  meaning: string;
  /** What may be chosen, by name, with its words. */
  choice?: { name: 'drain'; label: string };
  /** Whether it takes something away. */
  grave: boolean;
  isOffered(run: ListedRun): boolean;
  /** @throws RUN_NOT_FOUND, STATE_REFUSED and what else the act itself throws */
  act(web: Web, run: number, actor: string, choice: Choice): Promise<Steered>;
}

const VERIFIABLE: readonly RunState[] = ENDED.filter((state) => state !== 'rolled_back');
const RETRYABLE: readonly RunState[] = ['failed', 'queued', 'running', 'paused'];

/** One entry per action; the page, the forms and the API follow it. */
export const ACTIONS: readonly Action[] = [
  {
    name: 'pause',
    label: 'Pause',
    meaning: 'Workers claim no more of this run, and give back within seconds what they have begun. Nothing is lost.',
    choice: { name: 'drain', label: 'Let what is under way end' },
    grave: false,
    isOffered: ({ state }) => statesBefore(RUN_STEPS, 'paused').includes(state),
    act: ({ services }, run, actor, { drain = false }) => pauseRun(services, run, { actor, drain }),
  },
  {
    name: 'resume',
    label: 'Resume',
    meaning: 'Workers go on with this run.',
    grave: false,
    isOffered: ({ state }) => state === 'paused',
    act: async ({ services, queue }, run, actor) => resumeRun(services, await queue(), run, actor),
  },
  {
    name: 'retry',
    label: 'Retry failed',
    meaning: 'Puts the failed partitions into the queue again, with the definition of the job as it is now.',
    grave: false,
    isOffered: ({ state, partitions_failed }) => partitions_failed > 0 && RETRYABLE.includes(state),
    act: async ({ services, queue }, run, actor, { partition: key }) =>
      retryRun(services, await queue(), run, { actor, key }),
  },
  {
    name: 'verify',
    label: 'Verify',
    meaning:
      'Reads the tables once, and the source again where that is needed, to prove that every row is there bit for bit. The database has work to do meanwhile.',
    grave: false,
    isOffered: ({ state }) => VERIFIABLE.includes(state),
    act: verify,
  },
  {
    name: 'cancel',
    label: 'Cancel',
    meaning: 'Ends this run for good: nothing of it can commit any more. What is in its tables already stays there.',
    grave: true,
    isOffered: ({ state }) => statesBefore(RUN_STEPS, 'cancelled').includes(state),
    act: async ({ services, queue }, run, actor) => cancelRun(services, await queue(), run, actor),
  },
];

/** Begins it; what it comes to shows on the page of the run. */
async function verify(web: Web, id: number, actor: string): Promise<Steered> {
  const { services, verifications } = web;
  const { run, job, state } = await requireRun(web, id);
  if (!VERIFIABLE.includes(state)) {
    throw new DrayageError('VERIFY_REFUSED', `Run ${run} is ${state}`, {
      hint: 'A run can be verified when it has ended.',
    });
  }
  verifications.begin(run);
  await noteEvent(services.db, { run, actor, action: 'verifying' });
  return { run, job, state, partitions: 0 };
}
