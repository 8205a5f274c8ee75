import { DrayageError, EXIT } from '../../base/errors.ts';
import { maskText } from '../../base/secrets.ts';
import { didYouMean } from '../../base/suggest.ts';
import { type Verb, withServices } from '../verb.ts';

const ACTIONS = ['up', 'status', 'open'] as const;

export const db: Verb = {
  usage: 'db <action>',
  summary:
    '"up" brings the control schema up to date, "status" tells what is missing, "open" keeps the embedded Postgres up for psql',
  example: 'dray db up',
  values: { action: ACTIONS },
  async run(invocation) {
    const [action] = invocation.args;
    if (!ACTIONS.some((known) => known === action)) {
      throw new DrayageError('USAGE', `"db ${action}" is unknown.${didYouMean(action!, ACTIONS)}`, {
        hint: 'Use "dray db up", "dray db status" or "dray db open".',
      });
    }
    const { out, signal } = invocation;
    return withServices(invocation, { schema: false }, async (services) => {
      const runs = await import('../../runs/services.ts');
      if (action === 'open') {
        const { url, config } = services;
        const embedded = config.databaseUrl === undefined;
        // The one place that shows a password, of a database that is the user's own and on this machine alone.
        out.secret(embedded ? `psql '${url}'` : `psql '${maskText(url)}'`);
        if (embedded) {
          out.note('The embedded Postgres stays open until Ctrl-C.');
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        }
        return EXIT.done;
      }
      if (action === 'status') {
        const pending = await runs.pendingSchema(services);
        out.answer({ pending }, () =>
          pending.length === 0
            ? 'The schema is up to date.'
            : `Missing: ${pending.join(', ')}. "dray db up" applies it.`,
        );
        return pending.length === 0 ? EXIT.done : EXIT.failures;
      }
      const applied = await runs.ensureSchema(services);
      await runs.openQueue(services, { supervise: false });
      out.answer({ applied }, () =>
        applied.length === 0 ? 'The schema is up to date.' : `Applied: ${applied.join(', ')}.`,
      );
      return EXIT.done;
    });
  },
};
