import { DrayageError, type Where } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import { type ParamDeclarations, type ParamValues, validateParams } from './params.ts';
import type { Source } from './source.ts';
import type { Target } from './target.ts';
import type { Transform } from './transform.ts';

/** What a file in `jobs/` exports: one migration. */
export interface JobDefinition<Params extends ParamDeclarations = ParamDeclarations> {
  /** Lower-case words joined by hyphens; the name on the command line and in every table. */
  name: string;
  description: string;
  params?: Params;
  source: (params: ParamValues<Params>) => Source;
  /** Left out: the source's columns go into the like-named columns of the target. */
  transform?: Transform;
  /** By table name as written in SQL, quoted where needed. */
  targets: Record<string, Target>;
  /** Attempts after the first one, for failures that may pass. Default 3. */
  retries?: number;
}

/** A definition that has been checked. */
export interface Job extends JobDefinition {
  params: ParamDeclarations;
  retries: number;
}

const FIELDS = ['name', 'description', 'params', 'source', 'transform', 'targets', 'retries'];
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/**
 * Declares a job. The types follow the declared parameters; the values are checked when the file is loaded.
 * @throws JOB_INVALID with the field at fault
 */
export function defineJob<const Params extends ParamDeclarations>(definition: JobDefinition<Params>): Job {
  const given = definition as unknown as Record<string, unknown>;
  const where = { job: String(given?.name ?? 'unnamed') };
  if (typeof given !== 'object' || given === null) throw invalid(where, '', 'is not an object', 'Pass an object.');
  for (const field of Object.keys(given)) {
    if (!FIELDS.includes(field)) throw invalid(where, field, 'is unknown', didYouMean(field, FIELDS).trim());
  }
  if (typeof given.name !== 'string' || !NAME.test(given.name)) {
    throw invalid(where, 'name', 'is not a name', 'Use lower-case words joined by hyphens, such as legal-samples.');
  }
  if (typeof given.description !== 'string' || given.description === '') {
    throw invalid(where, 'description', 'is missing', 'Say in one sentence what the job carries where.');
  }
  if (typeof given.source !== 'function') {
    throw invalid(where, 'source', 'is not a function', 'Write source: ({ path }) => files(path), for example.');
  }
  if (given.transform !== undefined && !hasKind(given.transform)) {
    throw invalid(where, 'transform', 'is not a transform', 'Use sql`…` or batches(…).');
  }
  const targets = given.targets;
  if (typeof targets !== 'object' || targets === null || Object.keys(targets).length === 0) {
    throw invalid(where, 'targets', 'names no table', 'Write targets: { my_table: table({ … }) }.');
  }
  for (const [name, target] of Object.entries(targets)) {
    if (!hasKind(target)) throw invalid(where, `targets.${name}`, 'is not a target', 'Use table({ … }).');
  }
  if (Object.keys(targets).length > 1) {
    throw invalid(where, 'targets', 'names several tables', 'A transform of sql or batches fills one table.');
  }
  const retries = given.retries ?? 3;
  if (typeof retries !== 'number' || !Number.isInteger(retries) || retries < 0 || retries > 100) {
    throw invalid(where, 'retries', `is ${retries}`, 'Use a whole number from 0 to 100.');
  }
  const params = validateParams(given.params ?? {}, where);
  return Object.freeze({ ...definition, params, retries }) as unknown as Job;
}

function hasKind(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as { kind?: unknown }).kind === 'string';
}

function invalid(where: Where, field: string, problem: string, hint: string): DrayageError {
  return new DrayageError('JOB_INVALID', `The job definition is wrong: ${field} ${problem}`, {
    where: { ...where, ...(field ? { field } : {}) },
    hint,
  });
}
