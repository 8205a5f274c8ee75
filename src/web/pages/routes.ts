import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RUN_STEPS } from '../../model/state.ts';
import type { Web } from '../web.ts';
import { id, oneOf, text } from './fields.ts';
import { jobPage, jobsPage } from './jobs.ts';
import { type Page, sendPage } from './layout.ts';
import { PARTITION_STATES, partitionPage, partitionsPage } from './partitions.ts';
import { rejectsPage } from './rejects.ts';
import { runPage } from './run.ts';
import { runsPage } from './runs.ts';
import { workersPage } from './workers.ts';

const QUERIES = {
  runs: { q: text, state: oneOf(Object.keys(RUN_STEPS)), job: text, before: id },
  partitions: { q: text, state: oneOf(PARTITION_STATES), from: id, to: id, after: id },
  rejects: { partition: id, reason: text, table: text, column: text, after: id },
};

/** One line per page. */
export function addPages(app: FastifyInstance, web: Web): void {
  const add = (path: string, query: object, make: (web: Web, request: FastifyRequest) => Promise<Page>) => {
    const params = { run: id, partition: id, job: text };
    const properties = Object.fromEntries(Object.entries(params).filter(([name]) => path.includes(`:${name}`)));
    const schema = { params: { type: 'object', properties }, querystring: { type: 'object', properties: query } };
    app.get(path, { schema }, async (request, reply) => sendPage(web, request, reply, await make(web, request)));
  };
  add('/', QUERIES.runs, runsPage);
  add('/runs/:run', {}, runPage);
  add('/runs/:run/partitions', QUERIES.partitions, partitionsPage);
  add('/runs/:run/partitions/:partition', {}, partitionPage);
  add('/runs/:run/rejects', QUERIES.rejects, rejectsPage);
  add('/workers', {}, workersPage);
  add('/jobs', {}, jobsPage);
  add('/jobs/:job', {}, jobPage);
}
