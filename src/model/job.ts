import { DrayageError, type Where } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import type { LakeTarget } from './lake-target.ts';
import { parseRejectLimit } from './limits.ts';
import { type ParamDeclarations, type ParamValues, validateParams } from './params.ts';
import type { Source } from './source.ts';
import type { Target } from './target.ts';
import type { RecordFunction, Transform } from './transform.ts';

/** Tables, or datasets of a lake. */
export type Targets = Readonly<Record<string, Target | LakeTarget>>;

/** What a file in `jobs/` exports: one migration. */
export interface JobDefinition<
  Params extends ParamDeclarations = ParamDeclarations,
  Tables extends Targets = Targets,
  Value = unknown,
> {
  /** Lower-case words joined by hyphens; the name on the command line and in every table. */
  name: string;
  description: string;
  params?: Params;
  source: (params: ParamValues<Params>) => Source<Value>;
  /**
   * Left out: the source's columns go into the like-named columns of the target. With several targets, one for each,
   * by their names. For a source that gives records: a function that is called with each of them once, whatever the
   * number of targets.
   */
  transform?: Transform | Readonly<Record<string, Transform>> | RecordFunction<Value, Tables>;
  /**
   * By table name as written in SQL, quoted where needed. Filled in this order, in one transaction per partition. For a
   * lake, by dataset.
   */
  targets: Tables;
  /** Rejects that a partition may have before it fails as a whole: a number, or a share such as `'1%'`. Default any. */
  maxRejects?: number | string;
  /** Attempts after the first one, for failures that may pass. Default 3. */
  retries?: number;
}

/** A definition that has been checked. */
export interface Job extends Omit<JobDefinition, 'transform'> {
  transform?: Transform | Readonly<Record<string, Transform>>;
  params: ParamDeclarations;
  retries: number;
}

const FIELDS = ['name', 'description', 'params', 'source', 'transform', 'targets', 'maxRejects', 'retries'];
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/**
 * Declares a job. The types follow the declared parameters; the values are checked when the file is loaded.
 * @throws JOB_INVALID with the field at fault
 */
export function defineJob<const Params extends ParamDeclarations, const Tables extends Targets, Value>(
  definition: JobDefinition<Params, Tables, Value>,
): Job {
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
  const targets = given.targets;
  if (typeof targets !== 'object' || targets === null || Object.keys(targets).length === 0) {
    throw invalid(where, 'targets', 'names no table', 'Write targets: { my_table: table({ … }) }.');
  }
  for (const [name, target] of Object.entries(targets)) {
    if (!hasKind(target))
      throw invalid(where, `targets.${name}`, 'is not a target', 'Use table({ … }) or lake({ … }).');
  }
  const lakes = Object.values(targets).filter(({ kind }) => kind === 'lake').length;
  if (lakes > 0 && lakes < Object.keys(targets).length) {
    throw invalid(where, 'targets', 'are tables and datasets of a lake', 'Write a job for each: they end differently.');
  }
  validateTransform(given.transform, targets as Targets, where);
  if (given.maxRejects !== undefined && !parseRejectLimit(given.maxRejects as string)) {
    throw invalid(where, 'maxRejects', `is ${given.maxRejects}`, `Use a whole number, or a share such as '1%'.`);
  }
  const retries = given.retries ?? 3;
  if (typeof retries !== 'number' || !Number.isInteger(retries) || retries < 0 || retries > 100) {
    throw invalid(where, 'retries', `is ${retries}`, 'Use a whole number from 0 to 100.');
  }
  const params = validateParams(given.params ?? {}, where);
  const map = definition.transform;
  const transform = typeof map === 'function' ? { transform: { kind: 'records', map } } : {};
  return Object.freeze({ ...definition, ...transform, params, retries }) as unknown as Job;
}

function validateTransform(transform: unknown, tables: Targets, where: Where): void {
  const targets = Object.keys(tables);
  if (typeof transform === 'function') {
    validateRecords(tables, where);
    return;
  }
  const columns = targets.find((name) => tables[name]!.kind === 'table' && tables[name]!.columns);
  if (columns !== undefined) {
    throw invalid(where, `targets.${columns}.columns`, 'has a meaning only for a transform that is a function', '');
  }
  if (hasKind(transform) || (transform === undefined && targets.length === 1)) {
    if (targets.length === 1) return;
    throw invalid(where, 'transform', 'is one for several tables', 'Give each its own: { table_a: sql`…`, … }.');
  }
  if (transform === undefined) {
    throw invalid(where, 'transform', 'is missing, and there are several tables', 'Give each its own by its name.');
  }
  if (typeof transform !== 'object' || transform === null) {
    throw invalid(where, 'transform', 'is not a transform', 'Use sql`…`, batches(…), or a function over records.');
  }
  for (const [name, one] of Object.entries(transform)) {
    if (!targets.includes(name))
      throw invalid(where, `transform.${name}`, 'names no target', didYouMean(name, targets));
    if (!hasKind(one)) throw invalid(where, `transform.${name}`, 'is not a transform', 'Use sql`…` or batches(…).');
  }
  const without = targets.find((name) => !(name in transform));
  if (without) throw invalid(where, `transform.${without}`, 'is missing', 'Say what goes into that table.');
}

function validateRecords(tables: Targets, where: Where): void {
  const taken = new Set(['reject', 'warn']);
  for (const [name, { columns }] of Object.entries(tables)) {
    const bare = bareName(name);
    if (taken.has(bare)) throw invalid(where, `targets.${name}`, `would be emit.${bare}, which is taken`, '');
    taken.add(bare);
    if (columns) continue;
    const example = `columns: { id: 'uuid', title: 'text' }`;
    throw invalid(where, `targets.${name}.columns`, 'is missing', `Name what the function fills: ${example}.`);
  }
}

/** The name of a table without its schema and its quotes, as a function over records calls it. */
export function bareName(name: string): string {
  const last = /(?:^|\.)(?:"((?:[^"]|"")*)"|([^".]*))$/.exec(name);
  return last?.[1]?.replaceAll('""', '"') ?? last?.[2] ?? name;
}

/** What goes into one of the targets. */
export function transformOf({ transform }: Pick<Job, 'transform'>, target: string): Transform | undefined {
  return hasKind(transform) ? (transform as Transform) : (transform as Record<string, Transform> | undefined)?.[target];
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
