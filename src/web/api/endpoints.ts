import { attemptsOf } from '../../control/attempts.ts';
import { eventsOf } from '../../control/events.ts';
import { findPartition, listPartitions } from '../../control/partition-list.ts';
import { listRejectPage } from '../../control/rejects.ts';
import { listRuns } from '../../control/run-list.ts';
import { samplesOf } from '../../control/samples.ts';
import { latestVerificationReport } from '../../control/verifications.ts';
import { listWorkers } from '../../control/workers.ts';
import { PARTITION_STEPS, RUN_STEPS } from '../../model/state.ts';
import { definitions } from '../job-data.ts';
import { Problem } from '../problem.ts';
import { gridOf, lossesOf, rejectGroupsOf, requireRun } from '../run-data.ts';
import { type Endpoint, MOST_ITEMS, PAGING, PARAMS, paged } from './endpoint.ts';
import { list, object, page, type Schema } from './schema.ts';
import { shapePartition, shapeReject, shapeRun } from './shape.ts';
import * as shapes from './shapes.ts';

const filter = (description: string, schema: Schema = { type: 'string', maxLength: 300 }) => ({
  ...schema,
  description,
});

/** What can be read. */
export const READING: readonly Endpoint[] = [
  {
    method: 'GET',
    path: '/runs',
    name: 'listRuns',
    summary: 'Runs, the newest first',
    query: {
      ...PAGING,
      state: filter('Only runs in this state.', { type: 'string', enum: Object.keys(RUN_STEPS) }),
      job: filter('Only runs of this job.'),
      q: filter('Found in the job, the parameters or the error, or the number of a run.'),
    },
    answer: page(shapes.run),
    run: ({ services }, asked) => {
      const { state, job, q } = asked.query;
      const states = state ? [state] : [];
      const ask = (before: number | undefined, limit: number) =>
        listRuns(services.db, { states, job, search: q, before }, limit);
      return paged(asked, ask, ({ run }) => run, shapeRun);
    },
  },
  {
    method: 'GET',
    path: '/runs/{run}',
    name: 'getRun',
    summary: 'One run',
    answer: shapes.run,
    run: async (web, { params }) => shapeRun(await requireRun(web, params.run)),
  },
  {
    method: 'GET',
    path: '/runs/{run}/partitions',
    name: 'listPartitions',
    summary: 'The partitions of a run, in the order of the source',
    query: {
      ...PAGING,
      state: filter('Only partitions in this state.', shapes.partitionState),
      q: filter('A part of the key.'),
      from: filter('Only from this id on.', PARAMS.partition),
      to: filter('Only up to this id.', PARAMS.partition),
    },
    answer: page(shapes.partition),
    run: async (web, asked) => {
      const { run } = await requireRun(web, asked.params.run);
      const { state, q, from, to } = asked.query;
      const states = state ? [state] : (Object.keys(PARTITION_STEPS) as (keyof typeof PARTITION_STEPS)[]);
      const ask = (cursor = 0, limit: number) => {
        const after = Math.max(cursor, (from ?? 1) - 1);
        return listPartitions(web.services.db, run, { states, search: q, after, upTo: to }, limit);
      };
      return paged(asked, ask, ({ partition_id }) => partition_id, shapePartition);
    },
  },
  {
    method: 'GET',
    path: '/runs/{run}/partitions/{partition}',
    name: 'getPartition',
    summary: 'One partition',
    answer: shapes.partition,
    run: async ({ services }, { params }) => {
      const found = await findPartition(services.db, params.run, params.partition);
      if (found) return shapePartition(found);
      throw new Problem(404, 'NOT_FOUND', `Run ${params.run} has no partition ${params.partition}`);
    },
  },
  {
    method: 'GET',
    path: '/runs/{run}/partitions/{partition}/attempts',
    name: 'listAttempts',
    summary: 'What was tried with a partition before, the latest first; at most 1,000',
    answer: object({ attempts: list(shapes.attempt) }),
    run: async ({ services }, { params }) => {
      const found = await findPartition(services.db, params.run, params.partition);
      if (!found) throw new Problem(404, 'NOT_FOUND', `Run ${params.run} has no partition ${params.partition}`);
      return { attempts: await attemptsOf(services.db, params.partition, MOST_ITEMS) };
    },
  },
  {
    method: 'GET',
    path: '/runs/{run}/grid',
    name: 'getGrid',
    summary: 'The states of all partitions of a run, in at most 2,000 cells',
    answer: object({ cells: list(shapes.cell) }),
    run: async (web, { params }) => ({ cells: await gridOf(web, await requireRun(web, params.run)) }),
  },
  {
    method: 'GET',
    path: '/runs/{run}/samples',
    name: 'getSamples',
    summary: 'How a run went over time, in a few hundred samples',
    answer: object({ samples: list(shapes.sample) }),
    run: async (web, { params }) => {
      const { run } = await requireRun(web, params.run);
      return { samples: await samplesOf(web.services.db, run) };
    },
  },
  {
    method: 'GET',
    path: '/runs/{run}/reject-summary',
    name: 'summariseRejects',
    summary: 'Rejects by table, column and reason, the most frequent first',
    answer: object({ groups: list(shapes.rejectGroup) }),
    run: async (web, { params }) => {
      const groups = await rejectGroupsOf(web, await requireRun(web, params.run));
      const shape = ({ table_name: table, column_name: column, reason, rows, example }: (typeof groups)[number]) => {
        return { table, column, reason, rows, example };
      };
      return { groups: groups.map(shape) };
    },
  },
  {
    method: 'GET',
    path: '/runs/{run}/rejects',
    name: 'listRejects',
    summary: 'The rows that a run could not load, with what they held',
    query: {
      ...PAGING,
      partition: filter('Only rejects of this partition.', PARAMS.partition),
      reason: filter('Only rejects with this reason.'),
      table: filter('Only rejects of this table; empty: of none.'),
      column: filter('Only rejects of this column; empty: of none.'),
    },
    answer: page(shapes.reject),
    run: async (web, asked) => {
      const { run } = await requireRun(web, asked.params.run);
      const { partition, reason, table, column } = asked.query;
      const ask = (after: number | undefined, limit: number) =>
        listRejectPage(web.services.db, run, { partition, reason, table, column, after }, limit);
      return paged(asked, ask, ({ id }) => id, shapeReject);
    },
  },
  {
    method: 'GET',
    path: '/runs/{run}/losses',
    name: 'listLosses',
    summary: 'What columns lost by permission of the job',
    answer: object({ losses: list(shapes.loss) }),
    run: async (web, { params }) => ({ losses: await lossesOf(web, await requireRun(web, params.run)) }),
  },
  {
    method: 'GET',
    path: '/runs/{run}/events',
    name: 'listEvents',
    summary: 'What was done to a run, the latest first',
    query: PAGING,
    answer: page(shapes.event),
    run: async (web, asked) => {
      const { run } = await requireRun(web, asked.params.run);
      const ask = (before: number | undefined, limit: number) => eventsOf(web.services.db, run, limit, before);
      return paged(
        asked,
        ask,
        ({ id }) => id,
        (event) => event,
      );
    },
  },
  {
    method: 'GET',
    path: '/runs/{run}/verification',
    name: 'getVerification',
    summary: 'The latest verification of a run, with the differences that it found',
    answer: shapes.verification,
    run: async (web, { params }) => {
      const { run } = await requireRun(web, params.run);
      const found = await latestVerificationReport(web.services.db, run);
      if (found) return found;
      throw new Problem(404, 'NOT_FOUND', `Run ${run} was not verified`, `"dray verify ${run}" does that.`);
    },
  },
  {
    method: 'GET',
    path: '/workers',
    name: 'listWorkers',
    summary: 'Workers of the last day, and what they are loading',
    answer: object({ workers: list(shapes.worker) }),
    run: async ({ services }) => ({ workers: await listWorkers(services.db) }),
  },
  {
    method: 'GET',
    path: '/jobs',
    name: 'listJobs',
    summary: 'The definitions in jobs/',
    answer: object({ jobs: list(shapes.job) }),
    run: async (web) => ({ jobs: await definitions(web) }),
  },
];
