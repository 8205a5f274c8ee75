import { locate } from '../base/errors.ts';
import { transformOf } from '../model/job.ts';
import type { PreparedTarget } from '../model/route.ts';
import type { Source } from '../model/source.ts';
import { type PreparedLake, prepareLake } from './lake/prepare.ts';
import type { LoadedJob } from './load-jobs.ts';

/** A job with its parameters, ready to be enumerated or executed. */
export interface PreparedJob extends LoadedJob {
  params: Record<string, unknown>;
  source: Source;
  /** Tables to fill; none for a job that fills a lake. */
  targets: PreparedTarget[];
  /** The lake to fill, if it is one. */
  lake: PreparedLake | undefined;
}

/** @throws whatever the job's own `source` function throws, with the job's name */
export function prepareJob(loaded: LoadedJob, params: Record<string, unknown>): PreparedJob {
  const { job } = loaded;
  const targets = Object.entries(job.targets).flatMap(([name, target]) => {
    return target.kind === 'table' ? [{ name, target, transform: transformOf(job, name) }] : [];
  });
  try {
    return { ...loaded, params, source: job.source(params as never), targets, lake: prepareLake(job, params) };
  } catch (error) {
    throw locate(error, { job: job.name, field: 'source' });
  }
}
