import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DrayageError } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import { didYouMean } from '../base/suggest.ts';
import type { Job } from '../model/job.ts';
import { readDdl } from '../sinks/tables.ts';
import { copyJob, isCopy } from './copy-job.ts';
import { JOBS_FOLDER, jobNames } from './job-names.ts';

export interface LoadedJob {
  job: Job;
  /** Relative to the project root, with forward slashes. */
  path: string;
  /** Digest of the definition and its DDL. */
  version: string;
}

/**
 * Finds and checks a definition.
 * @param given a name in `jobs/`, a path, or what stands for a copy
 * @throws JOB_NOT_FOUND, JOB_INVALID
 */
export async function loadJob(root: string, given: string): Promise<LoadedJob> {
  if (isCopy(given)) return copyJob(given);
  const path = /[/\\]|\.[tj]s$/.test(given) ? given : await pathOf(root, given);
  const absolute = resolve(root, path);
  const text = await readFile(absolute, 'utf8').catch(() => {
    throw new DrayageError('JOB_NOT_FOUND', `There is no job file ${path}`, { hint: '"dray jobs" lists the jobs.' });
  });
  const exported = await importDefault(absolute, path, digest(text));
  if (!isJob(exported)) {
    throw new DrayageError('JOB_INVALID', `${path} has no job as its default export`, {
      hint: 'Write export default defineJob({ … }).',
    });
  }
  const name = basename(path, extname(path));
  if (exported.name !== name) {
    throw new DrayageError('JOB_INVALID', `The job in ${path} is called "${exported.name}"`, {
      where: { job: name, field: 'name' },
      hint: 'A job has the name of its file: change one or the other.',
    });
  }
  const files = Object.values(exported.targets).flatMap((one) => (one.kind === 'table' ? [one.ddl, one.after] : []));
  const ddl = await Promise.all(files.map((file) => (file ? readDdl(root, file) : '')));
  return { job: exported, path: relative(root, absolute).replaceAll('\\', '/'), version: digest(text, ...ddl) };
}

async function pathOf(root: string, name: string): Promise<string> {
  const names = await jobNames(root);
  if (!names.includes(name)) {
    throw new DrayageError('JOB_NOT_FOUND', `There is no job "${name}" in ${JOBS_FOLDER}/.${didYouMean(name, names)}`, {
      hint:
        names.length > 0
          ? `There are: ${names.join(', ')}.`
          : `Put a definition into ${JOBS_FOLDER}/${name}.ts; "dray init" writes one.`,
    });
  }
  const files = await readdir(join(root, JOBS_FOLDER));
  return join(JOBS_FOLDER, files.find((file) => basename(file, extname(file)) === name)!);
}

/** By path, the text that was imported first: Node gives that module again, whatever the file holds by then. */
const imported = new Map<string, string>();

async function importDefault(absolute: string, path: string, text: string): Promise<unknown> {
  const first = imported.get(absolute) ?? text;
  imported.set(absolute, first);
  try {
    const module = await import(`${pathToFileURL(absolute).href}${first === text ? '' : `?text=${text}`}`);
    return module.default;
  } catch (error) {
    if (error instanceof DrayageError) throw error;
    throw new DrayageError('JOB_INVALID', `${path} cannot be loaded: ${(error as Error).message}`, {
      hint: 'Mend the file; "npm run types" shows more.',
      cause: error,
    });
  }
}

/** `defineJob` freezes what it has checked; anything else did not come from it. */
function isJob(value: unknown): value is Job {
  return (
    typeof value === 'object' && value !== null && Object.isFrozen(value) && 'targets' in value && 'retries' in value
  );
}
