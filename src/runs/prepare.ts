import { locate } from '../base/errors.ts';
import { transformOf } from '../model/job.ts';
import type { PreparedTarget } from '../model/route.ts';
import type { Source } from '../model/source.ts';
import type { LoadedJob } from './load-jobs.ts';

/** A job with its parameters, ready to be enumerated or executed. */
export interface PreparedJob extends LoadedJob {
  params: Record<string, unknown>;
  source: Source;
  targets: PreparedTarget[];
}

/** @throws whatever the job's own `source` function throws, with the job's name */
export function prepareJob(loaded: LoadedJob, params: Record<string, unknown>): PreparedJob {
  const { job } = loaded;
  const targets = Object.entries(job.targets).map(([name, target]) => {
    return { name, target, transform: transformOf(job, name) };
  });
  try {
    return { ...loaded, params, source: job.source(params as never), targets };
  } catch (error) {
    throw locate(error, { job: job.name, field: 'source' });
  }
}
