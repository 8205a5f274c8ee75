import { join } from 'node:path';
import { type ArrowShape, arrowToParquet, footerShape, streamShape } from '../arrow/ipc.ts';
import { DrayageError, fileUnreadable, isForbidden } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import { quoteIdentifier, quotePath } from '../duckdb/types.ts';
import { ROW, type SourceContext } from '../model/source.ts';
import { SparseFile } from '../store/sparse.ts';
import type { Range } from '../store/stored.ts';
import { deferred, type Made } from './deferred.ts';
import type { FileFormat, FoundFile } from './format.ts';
import { Here } from './here.ts';
import { misnamed } from './misnamed.ts';
import { assertSame, fileFingerprint, pinsOf } from './pinned.ts';
import { upperCased } from './text-types.ts';

const MAGIC = 'ARROW1';
/** Magic and padding in front of the stream that a file holds. */
const FILE_HEAD = 8;
const FEATHER_1 = 'FEA1';
/** Length of the footer, and the magic. */
const TAIL_BYTES = 10;
/** What a message begins with; the one behind the last has no length. */
const CONTINUATION = 0xffffffff;
const END_BYTES = 8;
const HEAD_BYTES = 64;

type Columns = ArrowShape['columns'];

/** What is read of an Arrow file: which batches, from 0, and which bytes they and their dictionaries take. */
interface Part {
  first: number;
  last: number;
  blocks: Range[];
}

/**
 * Arrow IPC, as files (Feather 2) and as streams, packed inside with LZ4 or ZSTD or not. A file is cut between its record
 * batches, of which only those that are needed are fetched from S3; a stream is left whole.
 */
export const arrow: FileFormat = {
  name: 'arrow',
  extensions: ['.arrow', '.feather', '.arrows', '.ipc'],
  packs: false,

  async *partitions(file, { columns: declared, partitionBytes }, context) {
    const { columns, parts } = await lookInto(file, partitionBytes, context);
    const types = Object.fromEntries(columns.map(({ name, duckdb, becomes }) => [name, becomes ?? duckdb]));
    const wanted = Object.keys(declared).length > 0 ? upperCased(declared) : types;
    const shared = { rows: null, file: file.path, shape: digest(JSON.stringify(types), JSON.stringify(wanted)) };
    const spec = { ...pinsOf(file), columns: JSON.stringify(columns), types: JSON.stringify(wanted) };
    if (parts.length <= 1) {
      const whole = { ...spec, part: JSON.stringify(parts[0] ?? null) };
      yield { ...shared, key: file.path, fingerprint: fileFingerprint(file), bytes: file.size, spec: whole };
      return;
    }
    for (const part of parts) {
      const key = `${file.path}#batches=${part.first + 1}-${part.last + 1}`;
      const bytes = sizeOf(part.blocks);
      const cut = { ...spec, part: JSON.stringify(part) };
      yield { ...shared, key, fingerprint: fileFingerprint(file, key), bytes, spec: cut };
    }
  },

  async open(file, spec, _options, context) {
    const types = JSON.parse(String(spec.types)) as Record<string, string>;
    const columns = JSON.parse(String(spec.columns)) as Columns;
    const part = (JSON.parse(String(spec.part)) as Part | null) ?? undefined;
    return deferred(
      () => assertSame(file),
      types,
      context,
      () => convert(file, columns, types, part, context),
    );
  },
};

const sizeOf = (blocks: readonly Range[]) => blocks.reduce((sum, { start, end }) => sum + end - start, 0);

/** @throws SOURCE_INVALID for what is no whole Arrow file, and for types that DuckDB has nothing for */
async function lookInto(
  file: FoundFile,
  partitionBytes: number,
  context: SourceContext,
): Promise<{ columns: Columns; parts: Part[] }> {
  const footer = await assertWhole(file, context.signal);
  try {
    if (!footer) {
      const shape = await streamShape(file.store.read(file, { start: 0, end: file.size }, context.signal));
      return { columns: checked(file, shape), parts: [] };
    }
    const shape = footerShape(await read(file, footer.start, footer.end, context.signal));
    const ends = [{ start: 0, end: FILE_HEAD }, { start: footer.start, end: file.size }, ...shape.dictionaries];
    const outside = [...ends, ...shape.batches].some(
      ({ start, end }) => !(start >= 0 && start <= end && end <= file.size),
    );
    if (outside) throw new Error('its footer points outside of it');
    const parts = [...packed(shape.batches, partitionBytes)].map((part) => ({
      ...part,
      blocks: [...part.blocks, ...ends],
    }));
    return { columns: checked(file, shape), parts };
  } catch (error) {
    throw damaged(file, error, context);
  }
}

/** Batches of about so many bytes together; they lie one behind the other. */
function* packed(batches: readonly Range[], partitionBytes: number): Generator<Part> {
  let first = 0;
  let bytes = 0;
  const part = (last: number): Part => {
    const own = batches.slice(first, last + 1);
    const start = own.reduce((least, block) => Math.min(least, block.start), Number.POSITIVE_INFINITY);
    const end = own.reduce((most, block) => Math.max(most, block.end), 0);
    return { first, last, blocks: own.length > 0 ? [{ start, end }] : [] };
  };
  for (const [index, { start, end }] of batches.entries()) {
    if (index > first && bytes + (end - start) / 2 > partitionBytes) {
      yield part(index - 1);
      first = index;
      bytes = 0;
    }
    bytes += end - start;
  }
  yield part(batches.length - 1);
}

function checked(file: FoundFile, { columns, unknown: [unknown] }: ArrowShape): Columns {
  if (unknown) {
    throw invalid(file, `has a column "${unknown.name}" of type ${unknown.type}, which DuckDB has no type for`);
  }
  const seen = new Set<string>();
  for (const { name } of columns) {
    if (seen.has(name.toLowerCase())) throw invalid(file, `has two columns named "${name}", perhaps in other capitals`);
    seen.add(name.toLowerCase());
  }
  return columns;
}

/** @returns where the footer of a file lies; undefined for a stream */
async function assertWhole(file: FoundFile, signal: AbortSignal): Promise<Range | undefined> {
  if (file.size === 0) throw invalid(file, 'is empty');
  const head = await read(file, 0, HEAD_BYTES, signal);
  const tail = await read(file, file.size - TAIL_BYTES, file.size, signal);
  const start = head.toString('latin1');
  if (start.startsWith(MAGIC)) {
    if (!tail.toString('latin1').endsWith(MAGIC) || file.size <= FILE_HEAD + TAIL_BYTES) {
      throw invalid(file, 'is a truncated Arrow file: it ends without a footer');
    }
    const end = file.size - TAIL_BYTES;
    const from = end - tail.readInt32LE(0);
    if (from >= FILE_HEAD && from < end) return { start: from, end };
    throw invalid(file, 'is damaged: its footer is longer than the file');
  }
  if (start.startsWith(FEATHER_1)) throw invalid(file, 'is Feather of version 1: write it anew as version 2');
  if (head.length < END_BYTES || head.readUInt32LE(0) !== CONTINUATION) {
    throw invalid(file, misnamed(head) ?? 'is no Arrow file and no Arrow stream');
  }
  const last = tail.subarray(-END_BYTES);
  if (last.readUInt32LE(0) === CONTINUATION && last.readUInt32LE(4) === 0) return undefined;
  throw invalid(file, 'is a truncated Arrow stream: it has no end');
}

async function read(file: FoundFile, start: number, end: number, signal: AbortSignal): Promise<Buffer> {
  const range = { start: Math.max(0, start), end: Math.min(end, file.size) };
  const pieces: Buffer[] = [];
  for await (const piece of file.store.read(file, range, signal)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function convert(
  file: FoundFile,
  columns: Columns,
  types: Readonly<Record<string, string>>,
  part: Part | undefined,
  context: SourceContext,
): Promise<Made> {
  const here = part ? await bringPart(file, part, context) : await Here.bring(file, undefined, context);
  const held = await context.disk.hold(0, context.signal);
  const nameOf = (index: number) => `c${index}`;
  try {
    const path = join(held.folder, 'rows.parquet');
    const grow = (bytes: number) => {
      context.signal.throwIfAborted();
      held.grow(bytes);
    };
    await arrowToParquet(here.path, part, path, nameOf, grow).catch((error) => {
      throw damaged(file, error, context);
    });
    const scan = `read_parquet(${quotePath(path)}, file_row_number = true, hive_partitioning = false)`;
    const list = Object.entries(types).map(([name, type]) => {
      const index = columns.findIndex((column) => column.name === name);
      const found = columns[index];
      if (!found || found.becomes === '"NULL"')
        return `${type === '"NULL"' ? 'null' : `null::${type}`} as ${quoteIdentifier(name)}`;
      const own = found.becomes ? `${nameOf(index)}::${found.becomes}` : nameOf(index);
      return `${type === (found.becomes ?? found.duckdb) ? own : `${own}::${type}`} as ${quoteIdentifier(name)}`;
    });
    return {
      relation: `select ${list.join(', ')}, file_row_number + 1 as ${quoteIdentifier(ROW)} from ${scan}`,
      async *faults() {},
      close: async () => {
        await held.release();
        await here.release();
      },
    };
  } catch (error) {
    await held.release();
    await here.release();
    throw error;
  }
}

/** The bytes that a part needs, in a file with holes; a file on this machine where it is. */
async function bringPart(file: FoundFile, { blocks }: Part, { disk, signal }: SourceContext) {
  const local = file.store.localPath(file);
  if (local !== undefined) return { path: local, release: async () => undefined };
  const sparse = await SparseFile.open(file, file.store, disk, signal);
  try {
    await sparse.fill(blocks);
    return { path: sparse.path, release: () => sparse.close() };
  } catch (error) {
    await sparse.close();
    throw error;
  }
}

function damaged(file: FoundFile, cause: unknown, { signal }: SourceContext): unknown {
  if (cause instanceof DrayageError) return cause;
  if (signal.aborted) return new DrayageError('INTERRUPTED', 'The read was interrupted', { cause });
  if (isForbidden(cause)) return fileUnreadable(file.path, cause);
  return invalid(file, `is damaged, or not as Arrow has it: ${(cause as Error).message}`, cause);
}

function invalid(file: FoundFile, problem: string, cause?: unknown): DrayageError {
  return new DrayageError('SOURCE_INVALID', `${file.path} ${problem}`, {
    where: { file: file.path },
    hint: 'Replace the file, or leave it out of the path.',
    cause,
  });
}
