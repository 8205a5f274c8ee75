import { parseRejectLimit } from '../model/limits.ts';
import { resolveParams } from '../model/params.ts';
import { type Enqueued, enqueue } from '../runs/enqueue.ts';
import { jobNames } from '../runs/job-names.ts';
import { loadJob } from '../runs/load-jobs.ts';
import { prepareJob } from '../runs/prepare.ts';
import { Problem } from './problem.ts';
import type { Web } from './web.ts';

export interface Wanted {
  /** As typed, by name; one that is missing takes its default. */
  params: Readonly<Record<string, string>>;
  force?: boolean | undefined;
  max_rejects?: string | undefined;
}

/**
 * Plans a run of a job and puts its partitions into the queue.
 * @throws Problem when the server does not allow it, JOB_NOT_FOUND, PARAM_INVALID, and what planning throws
 */
export async function enqueueRun(web: Web, name: string, wanted: Wanted, actor: string): Promise<Enqueued> {
  const { services, settings, queue } = web;
  if (!settings.allowEnqueue) {
    throw new Problem(403, 'FORBIDDEN', 'Runs cannot be enqueued here', 'Start the server with --allow-enqueue.');
  }
  const { max_rejects: maxRejects, force = false } = wanted;
  if (maxRejects !== undefined && !parseRejectLimit(maxRejects)) {
    throw new Problem(
      400,
      'PARAM_INVALID',
      `The number of rejects is "${maxRejects}"`,
      'Give a whole number, or a share such as 1%.',
    );
  }
  const { config } = services;
  // A path would do for the loader, and shall not do here.
  const isKnown = (await jobNames(config.root)).includes(name);
  if (!isKnown) throw new Problem(404, 'JOB_NOT_FOUND', `There is no job "${name}"`);
  const loaded = await loadJob(config.root, name);
  const named = Object.values(loaded.job.params).flatMap(({ env }) => (env === undefined ? [] : [env]));
  const env = Object.fromEntries(named.map((variable) => [variable, config.variable(variable)]));
  const prepared = prepareJob(loaded, resolveParams(loaded.job, wanted.params, env));
  return enqueue(services, await queue(), prepared, { force, maxRejects, actor, signal: web.stopping });
}
