import { EXIT, explain } from '../../base/errors.ts';
import { table } from '../format.ts';
import type { Verb } from '../verb.ts';

interface Listed {
  job: string;
  description: string;
  params: Record<string, unknown>;
  targets: string[];
  error?: string;
}

export const jobs: Verb = {
  usage: 'jobs',
  summary: 'list the jobs in jobs/ with their parameters',
  example: 'dray jobs',
  async run({ config, out }) {
    const [{ jobNames }, { loadJob }] = await Promise.all([
      import('../../runs/job-names.ts'),
      import('../../runs/load-jobs.ts'),
    ]);
    const listed = await Promise.all(
      (await jobNames(config.root)).map(async (name): Promise<Listed> => {
        try {
          const { description, params, targets } = (await loadJob(config.root, name)).job;
          return { job: name, description, params: { ...params }, targets: Object.keys(targets) };
        } catch (error) {
          return { job: name, description: '', params: {}, targets: [], error: explain(error) };
        }
      }),
    );
    out.answer(listed, () => {
      if (listed.length === 0) return 'There are no jobs; "dray init" writes one.';
      const list = table(listed, [
        { title: 'job', cell: ({ job }) => job },
        { title: 'targets', cell: ({ targets }) => targets.join(', ') },
        { title: 'parameters', cell: ({ params }) => Object.keys(params).join(', ') },
        { title: 'description', cell: ({ description, error }) => error ?? description },
      ]);
      return `${list}\n\n"dray plan JOB" shows what a job would do, "dray run JOB" does it.`;
    });
    return listed.some(({ error }) => error) ? EXIT.failures : EXIT.done;
  },
};
