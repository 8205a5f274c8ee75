import { extname } from 'node:path';
import { DrayageError, locate } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import type { PartitionPlan, Source, SourceContext } from '../model/source.ts';
import { storeOf } from '../store/files.ts';
import { isGlob } from '../store/stored.ts';
import { arrow } from './arrow.ts';
import { csv, tsv } from './csv.ts';
import { checkCsv } from './csv-options.ts';
import type { FileFormat, FilesOptions, FoundFile, Packing, WholeOptions } from './format.ts';
import { withHive } from './hive.ts';
import { json } from './json.ts';
import { jsonl } from './jsonl.ts';
import { parquet } from './parquet.ts';
import { assertSame, fileFingerprint, pinned, pinsOf } from './pinned.ts';

/** One line per format. */
const FORMATS: readonly FileFormat[] = [parquet, jsonl, json, csv, tsv, arrow];

const PACKINGS: Readonly<Record<string, Packing>> = { '.gz': 'gzip', '.zst': 'zstd' };

const MIB = 1024 * 1024;

const DEFAULTS: WholeOptions = {
  columns: {},
  partitionRows: 1_000_000,
  partitionBytes: 256 * MIB,
  format: undefined as never,
  csv: {},
  lenient: false,
  hive: {},
  followLinks: false,
  s3: {},
};

/**
 * Files on disk or in S3; the format follows from the name.
 * @param path a file, a folder or a glob, or several of these: relative to the project root, or `s3://bucket/key`
 * @throws JOB_INVALID for an option that makes no sense
 */
export function files(path: string | readonly string[], options: FilesOptions = {}): Source<Record<string, unknown>> {
  const paths = typeof path === 'string' ? [path] : path;
  const whole = checked({ ...DEFAULTS, ...options });
  return {
    description: paths.join(', '),
    async *enumerate(context) {
      for await (const file of findFiles(paths, whole, context)) yield* partitionsOf(file, whole, context);
    },
    expect({ spec }, context) {
      const file = plannedFile(spec, whole, context);
      formatOf(file.path, whole).expect?.(file, spec, context);
    },
    async open({ spec }, context) {
      const file = plannedFile(spec, whole, context);
      await assertSame(file);
      return withHive(await formatOf(file.path, whole).open(file, spec, whole, context), file, whole, context);
    },
  };
}

/** The file of a partition, as it was when it was planned. */
function plannedFile({ path, size, version }: PartitionPlan['spec'], options: WholeOptions, { root }: SourceContext) {
  const name = String(path);
  const store = storeOf(name, { ...options, root });
  const found: FoundFile = { path: name, size: 0, version: '', store, packing: packingOf(name) };
  return pinned(found, { size: size!, version: version! });
}

function checked(options: WholeOptions): WholeOptions {
  const known = Object.keys(DEFAULTS);
  const unknown = Object.keys(options).find((field) => !known.includes(field));
  if (unknown) throw invalid(unknown, `is unknown.${didYouMean(unknown, known)}`);
  const { format } = options;
  const names = FORMATS.map(({ name }) => name);
  if (format !== undefined && !names.includes(format)) {
    throw invalid('format', `is "${format}", not ${names.join(', ')}.${didYouMean(format, names)}`);
  }
  for (const field of ['partitionRows', 'partitionBytes'] as const) {
    if (!(options[field] >= 1)) throw invalid(field, `is ${options[field]}, and has to be at least 1`);
  }
  checkCsv(options.csv);
  return Object.freeze(options);
}

function invalid(field: string, problem: string): DrayageError {
  return new DrayageError('JOB_INVALID', `The source is wrong: ${field} ${problem}`, {
    where: { field: `files.${field}` },
  });
}

type Found = FoundFile & { problem?: DrayageError };

async function* findFiles(
  paths: readonly string[],
  options: WholeOptions,
  context: SourceContext,
): AsyncGenerator<Found> {
  const { root, signal } = context;
  // Only several paths can find the same file twice.
  const seen = paths.length > 1 ? new Set<string>() : undefined;
  for (const path of paths) {
    const store = storeOf(path, { ...options, root });
    let found = 0;
    for await (const file of store.find(path, { wanted: (name) => isKnown(name, options), signal })) {
      signal.throwIfAborted();
      found++;
      if (seen?.has(file.path)) continue;
      seen?.add(file.path);
      yield { ...file, store, packing: packingOf(file.path) };
    }
    if (found === 0) throw missing(path, root);
  }
}

async function* partitionsOf(file: Found, options: WholeOptions, context: SourceContext): AsyncIterable<PartitionPlan> {
  try {
    if (file.problem) throw file.problem;
    yield* formatOf(file.path, options).partitions(file, options, context);
  } catch (error) {
    if (!(error instanceof DrayageError) || !/^(SOURCE|STORE_DENIED|TRANSFORM_FAILED)/.test(error.code)) throw error;
    const { path, size } = file;
    const identity = { key: path, fingerprint: fileFingerprint(file), file: path, shape: '' };
    yield { ...identity, rows: null, bytes: size, spec: pinsOf(file), problem: locate(error, { file: path }) };
  }
}

/** The name without what only says that it is packed. */
function bareName(path: string): string {
  const extension = extname(path).toLowerCase();
  return extension in PACKINGS ? path.slice(0, -extension.length) : path;
}

function packingOf(path: string): Packing {
  return PACKINGS[extname(path).toLowerCase()] ?? 'none';
}

/** Whether a file that is found in a folder is one to read. */
function isKnown(path: string, { format }: WholeOptions): boolean {
  const extension = extname(bareName(path)).toLowerCase();
  const formats = format ? FORMATS.filter(({ name }) => name === format) : FORMATS;
  return formats.some(({ extensions }) => extensions.includes(extension));
}

function formatOf(path: string, { format: wanted }: WholeOptions): FileFormat {
  const extension = extname(bareName(path)).toLowerCase();
  const format = FORMATS.find(({ name, extensions }) => (wanted ? name === wanted : extensions.includes(extension)));
  const where = { file: path };
  if (!format) {
    const known = FORMATS.flatMap(({ extensions }) => extensions).join(', ');
    throw new DrayageError('SOURCE_INVALID', `The format of a file follows from its name, and "${extension}" is none`, {
      where,
      hint: `Files are read that end in ${known}, text also as .gz and .zst; or say it with files(path, { format }).`,
    });
  }
  if (!format.packs && packingOf(path) !== 'none') {
    throw new DrayageError('SOURCE_INVALID', `A packed ${format.name} file cannot be read in parts`, {
      where,
      hint: 'Unpack it first; the format packs its content by itself.',
    });
  }
  return format;
}

function missing(path: string, root: string): DrayageError {
  const what = isGlob(path) ? 'No file matches' : 'There is no file';
  const start = path.startsWith('s3://') ? '' : `Relative paths start at ${root}. `;
  return new DrayageError('SOURCE_MISSING', `${what} ${path}`, {
    hint: `${start}Check the path, or give another one with --param.`,
  });
}
