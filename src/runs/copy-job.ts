import { DrayageError } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import { defineJob, type Job } from '../model/job.ts';
import type { Mode } from '../model/modes.ts';
import { table } from '../model/target.ts';
import { files } from '../sources/files.ts';
import { postgres } from '../sources/postgres/index.ts';
import type { PostgresOptions } from '../sources/postgres/options.ts';

/** What `dray copy` is asked for. */
export interface CopyRequest {
  /** A file, a folder or a glob; or a table or a query, perhaps of the database that a variable names. */
  source: string | Pick<PostgresOptions, 'table' | 'query' | 'database'>;
  /** Table, as written in SQL; made from the source's columns when it is absent. */
  to: string;
  key: readonly string[];
  /** Default: upsert with a key, append without. */
  mode: Mode | undefined;
  /** Options of the source, by name; those within others with a point between, such as `csv.delimiter`. */
  options: Readonly<Record<string, string>>;
}

/** Takes the place of a path to a job file: everything that a worker on another host needs to know. */
const PREFIX = 'copy:';

export function copyPath(request: CopyRequest): string {
  return PREFIX + JSON.stringify(request);
}

export function isCopy(path: string): boolean {
  return path.startsWith(PREFIX);
}

/** The job that a copy is. @throws JOB_INVALID, USAGE */
export function copyJob(path: string): { job: Job; path: string; version: string } {
  const { source, to, key, mode, options } = JSON.parse(path.slice(PREFIX.length)) as CopyRequest;
  const given = sourceOptions(options);
  const target = table({ createTable: 'infer', key, mode: mode ?? (key.length > 0 ? 'upsert' : 'append') });
  const job = defineJob({
    name: 'copy',
    description: `${typeof source === 'string' ? source : (source.table ?? 'a query')} into ${to}`,
    source: () => (typeof source === 'string' ? files(source, given) : postgres({ ...given, ...source })),
    targets: { [to]: target },
  });
  return { job, path, version: digest(path) };
}

const SECRET = /secret|password|token|accesskey/i;

/** @throws USAGE for what must not be kept with a run */
function sourceOptions(options: Readonly<Record<string, string>>): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(options)) {
    if (SECRET.test(name)) {
      throw new DrayageError('USAGE', `--param ${name} would be kept with the run`, {
        hint: 'Give credentials through the environment.',
      });
    }
    const path = name.split('.');
    let within = given;
    for (const part of path.slice(0, -1)) {
      within[part] ??= {};
      within = within[part] as Record<string, unknown>;
    }
    within[path.at(-1)!] = optionValue(text);
  }
  return given;
}

/** Numbers, true, false and what is in brackets as JSON has them; anything else is text. */
function optionValue(text: string): unknown {
  if (!/^(-?\d+(\.\d+)?|true|false|[[{].*)$/s.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
