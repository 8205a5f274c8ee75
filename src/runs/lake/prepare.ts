import { DrayageError } from '../../base/errors.ts';
import { bareName, type Job, transformOf } from '../../model/job.ts';
import type { LakeTarget } from '../../model/lake-target.ts';
import { isDataset } from '../../model/manifest.ts';
import type { Transform } from '../../model/transform.ts';
import type { S3Options } from '../../store/s3.ts';

/** A dataset that a job fills, and what goes into it. */
export interface PreparedDataset {
  /** As the job calls its target. */
  name: string;
  /** The folder below the root. */
  dataset: string;
  target: LakeTarget;
  transform: Transform | undefined;
}

/** The lake that a job fills. */
export interface PreparedLake {
  root: string;
  s3: S3Options;
  datasets: readonly PreparedDataset[];
}

/** @returns undefined for a job that fills tables @throws JOB_INVALID */
export function prepareLake(job: Job, params: Readonly<Record<string, unknown>>): PreparedLake | undefined {
  const datasets: PreparedDataset[] = [];
  const roots = new Map<string, S3Options>();
  for (const [name, target] of Object.entries(job.targets)) {
    if (target.kind !== 'lake') continue;
    const dataset = target.dataset ?? bareName(name);
    const field = `targets.${name}`;
    if (!isDataset(dataset)) {
      throw invalid(`${field}.dataset`, `is "${dataset}"`, 'Use letters, digits, - and _, beginning with a letter.');
    }
    if (datasets.some((other) => other.dataset.toLowerCase() === dataset.toLowerCase())) {
      throw invalid(`${field}.dataset`, `is "${dataset}", as another target's is`, 'Unite them in one transform.');
    }
    datasets.push({ name, dataset, target, transform: transformOf(job, name) });
    roots.set(rootOf(target, params, field), target.s3);
  }
  const [[root, s3] = [], other] = roots;
  if (root === undefined) return undefined;
  if (other) {
    const hint = 'The files of a run are published together; write a job for each lake.';
    throw invalid('targets', `lie in two lakes, ${root} and ${other[0]}`, hint);
  }
  return { root, s3: s3!, datasets };
}

/** Without a slash at its end. */
function rootOf({ root }: LakeTarget, params: Readonly<Record<string, unknown>>, field: string): string {
  const given = typeof root === 'function' ? root(params as Parameters<typeof root>[0]) : root;
  if (typeof given !== 'string' || given === '') {
    throw invalid(
      `${field}.root`,
      'gives no place',
      'Return a folder or s3://bucket/prefix; a parameter needs a default.',
    );
  }
  return given.replace(/(?<=[^/])\/+$/, '');
}

function invalid(field: string, problem: string, hint: string): DrayageError {
  return new DrayageError('JOB_INVALID', `The job definition is wrong: ${field} ${problem}`, {
    where: { field },
    hint,
  });
}
