import { glob, stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { DrayageError } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import type { PartitionPlan, Source, SourceContext } from '../model/source.ts';
import type { FileFormat, FilesOptions, FoundFile } from './format.ts';
import { jsonl } from './jsonl.ts';
import { parquet } from './parquet.ts';

/** One line per format. */
const FORMATS: readonly FileFormat[] = [parquet, jsonl];

const MIB = 1024 * 1024;

/**
 * Files on disk; the format follows from the name.
 * @param path a file, a folder or a glob, or several of these; relative to the project root
 */
export function files(path: string | readonly string[], options: FilesOptions = {}): Source {
  const paths = typeof path === 'string' ? [path] : path;
  const whole = { columns: {}, partitionRows: 1_000_000, partitionBytes: 256 * MIB, ...options };
  return {
    description: paths.join(', '),
    async *enumerate(context) {
      for (const file of await findFiles(paths, context.root)) {
        yield* partitionsOf(file, whole, context);
      }
    },
    async open({ spec }, context) {
      const file = await findFile(String(spec.path), context.root);
      return formatOf(file.path).open(file, spec, whole, context);
    },
  };
}

async function* partitionsOf(
  file: FoundFile,
  options: Required<FilesOptions>,
  context: SourceContext,
): AsyncIterable<PartitionPlan> {
  try {
    yield* formatOf(file.path).partitions(file, options, context);
  } catch (error) {
    if (!(error instanceof DrayageError) || !error.code.startsWith('SOURCE_')) throw error;
    const { path, size, modifiedMs } = file;
    const identity = { key: path, fingerprint: digest(path, String(size), String(modifiedMs)), file: path, shape: '' };
    yield { ...identity, rows: null, bytes: size, spec: { path, size, modifiedMs }, problem: error };
  }
}

function formatOf(path: string): FileFormat {
  const format = FORMATS.find(({ extensions }) => extensions.includes(extname(path).toLowerCase()));
  if (format) return format;
  const known = FORMATS.flatMap(({ extensions }) => extensions).join(', ');
  throw new DrayageError(
    'SOURCE_INVALID',
    `The format of a file follows from its name, and "${extname(path)}" is none`,
    {
      where: { file: path },
      hint: `Files are read that end in ${known}.`,
    },
  );
}

async function findFiles(paths: readonly string[], root: string): Promise<FoundFile[]> {
  const found = new Map<string, FoundFile>();
  for (const path of paths) {
    const matches = await expand(path, root);
    if (matches.length === 0) throw missing(path, root);
    for (const match of matches) found.set(match, await findFile(match, root));
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function expand(path: string, root: string): Promise<string[]> {
  const about = await stat(resolve(root, path)).catch(() => undefined);
  if (about?.isFile()) return [path];
  const known = FORMATS.flatMap(({ extensions }) => extensions).map((extension) => extension.slice(1));
  const pattern = about?.isDirectory() ? join(path, `**/*.{${known.join(',')}}`) : path;
  if (!/[*?{[]/.test(pattern)) return [];
  const matches: string[] = [];
  for await (const match of glob(pattern, { cwd: root })) matches.push(match);
  return matches;
}

async function findFile(path: string, root: string): Promise<FoundFile> {
  const absolute = resolve(root, path);
  try {
    const { size, mtimeMs } = await stat(absolute);
    return { path, absolute, size, modifiedMs: mtimeMs };
  } catch (error) {
    throw missing(path, root, error);
  }
}

function missing(path: string, root: string, cause?: unknown): DrayageError {
  const what = /[*?{[]/.test(path) ? 'No file matches' : 'There is no file';
  return new DrayageError('SOURCE_MISSING', `${what} ${path}`, {
    hint: `Relative paths start at ${root}. Check the path, or give another one with --param.`,
    cause,
  });
}
