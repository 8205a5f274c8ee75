import { open } from 'node:fs/promises';
import { DrayageError } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import { rows as queryRows } from '../duckdb/scan.ts';
import { quoteIdentifier, quotePath } from '../duckdb/types.ts';
import { ROW, type SourceContext } from '../model/source.ts';
import type { FileFormat, FoundFile } from './format.ts';
import { assertSame } from './pinned.ts';

/**
 * Parquet: a partition is a range of whole row groups, planned from the footer alone.
 * Format: https://parquet.apache.org/docs/file-format/
 */
export const parquet: FileFormat = {
  extensions: ['.parquet'],

  async *partitions(file, { columns, partitionRows, partitionBytes }, context) {
    const footer = await readFooter(file);
    const groups = await rowGroups(file, context);
    const types = await columnTypes(file, context);
    const shape = digest(JSON.stringify([...types]), JSON.stringify(columns));
    for (const range of packGroups(groups, partitionRows, partitionBytes)) {
      const { first, last } = range;
      const key = `${file.path}#rows=${first}-${last}`;
      yield {
        key,
        fingerprint: digest(key, String(file.size), String(file.modifiedMs), footer),
        rows: last - first + 1,
        bytes: range.bytes,
        file: file.path,
        shape,
        spec: { path: file.path, size: file.size, modifiedMs: file.modifiedMs, first, last },
      };
    }
  },

  async open(file, spec, { columns }, context) {
    await assertSame(file, spec);
    const types = await columnTypes(file, context);
    const { first, last } = spec as { first: number; last: number };
    const scan = `read_parquet(${quotePath(file.absolute)}, file_row_number = true, hive_partitioning = false)`;
    const number = 'file_row_number + 1';
    return {
      relation: `select ${selectList(types, columns)}, ${number} as ${quoteIdentifier(ROW)} from ${scan} where file_row_number between ${first - 1} and ${last - 1}`,
      async *faults() {},
      assertUnchanged: () => assertSame(file, spec, context.root),
      close: async () => undefined,
    };
  },
};

interface RowGroup {
  rows: number;
  /** In the file. */
  bytes: number;
  /** As much as it takes to work on. */
  unpacked: number;
}

/**
 * Ranges of 1-based rows, of whole row groups and of about the same size, since the largest one decides how long the
 * others' workers wait. A file without rows is one empty partition, so that it shows up in the accounts.
 */
function* packGroups(groups: readonly RowGroup[], partitionRows: number, partitionBytes: number) {
  const rows = groups.reduce((sum, group) => sum + group.rows, 0);
  const bytes = groups.reduce((sum, group) => sum + group.unpacked, 0);
  const wanted = Math.max(1, Math.ceil(rows / partitionRows), Math.ceil(bytes / partitionBytes));
  // Rows and bytes count alike: each group's share of the whole is the larger of its two shares.
  const share = (group: RowGroup) => Math.max(group.rows / (rows || 1), group.unpacked / (bytes || 1));
  const whole = groups.reduce((sum, group) => sum + share(group), 0);
  let range = { first: 1, last: 0, bytes: 0 };
  let taken = 0;
  let cuts = 1;
  for (const group of groups) {
    // Cut where the middle of the group lies beyond the bound, so that a range ends at the nearest group.
    const beyond = taken + share(group) / 2 > (whole * cuts) / wanted;
    if (beyond && range.last >= range.first) {
      yield range;
      range = { first: range.last + 1, last: range.last, bytes: 0 };
    }
    while (taken + share(group) / 2 > (whole * cuts) / wanted) cuts++;
    range.last += group.rows;
    range.bytes += group.bytes;
    taken += share(group);
  }
  yield range;
}

function selectList(types: Map<string, string>, declared: Readonly<Record<string, string>>): string {
  if (Object.keys(declared).length === 0) return [...types.keys()].map(quoteIdentifier).join(', ');
  const list = Object.entries(declared).map(([name, type]) => {
    const quoted = quoteIdentifier(name);
    if (!types.has(name)) return `null::${type} as ${quoted}`;
    return types.get(name) === type.toUpperCase() ? quoted : `${quoted}::${type} as ${quoted}`;
  });
  return list.join(', ');
}

function rowGroups(file: FoundFile, context: SourceContext): Promise<RowGroup[]> {
  return ask(
    file,
    context,
    (path) => `select any_value(row_group_num_rows)::double as rows, sum(total_compressed_size)::double as bytes,
        sum(total_uncompressed_size)::double as unpacked
      from parquet_metadata(${path}) group by row_group_id order by row_group_id`,
  ) as Promise<unknown> as Promise<RowGroup[]>;
}

/** The columns of the file with their DuckDB types. */
async function columnTypes(file: FoundFile, context: SourceContext): Promise<Map<string, string>> {
  const found = await ask(
    file,
    context,
    (path) => `select column_name as name, column_type as type,
        column_name not in (select name from parquet_schema(${path})) as renamed
      from (describe select * from read_parquet(${path}, hive_partitioning = false))`,
  );
  // DuckDB does not tell capitals from small letters, and gives the second of two such columns another name.
  const renamed = found.find((column) => column.renamed);
  if (renamed) throw invalid(file, `has two columns whose names differ in capitals only: see "${renamed.name}"`);
  return new Map(found.map(({ name, type }) => [String(name), String(type)]));
}

async function ask(file: FoundFile, { duck }: SourceContext, query: (path: string) => string) {
  try {
    return await duck.use((connection) => queryRows(connection, query(quotePath(file.absolute))));
  } catch (error) {
    throw new DrayageError('SOURCE_INVALID', `The Parquet file cannot be read: ${(error as Error).message}`, {
      where: { file: file.path },
      hint: 'Mend or remove the file.',
      cause: error,
    });
  }
}

const MAGIC = 'PAR1';
const ENCRYPTED_MAGIC = 'PARE';
/** The footer's length and the closing magic. */
const TAIL_BYTES = 8;

/**
 * Digest of the footer.
 * @throws SOURCE_INVALID that says what the file is instead of a whole Parquet file
 */
async function readFooter(file: FoundFile): Promise<string> {
  const handle = await open(file.absolute).catch((error) => {
    throw new DrayageError('SOURCE_MISSING', `The file cannot be opened: ${error.message}`, {
      where: { file: file.path },
    });
  });
  try {
    const read = async (length: number, position: number) => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
      return buffer.subarray(0, bytesRead);
    };
    const head = await read(64, 0);
    const tail = await read(TAIL_BYTES, Math.max(0, file.size - TAIL_BYTES));
    const problem = diagnose(file.size, head, tail);
    if (problem) throw invalid(file, problem);
    const length = tail.readUInt32LE(0);
    if (length + TAIL_BYTES + MAGIC.length > file.size)
      throw invalid(file, 'is damaged: its footer is longer than the file');
    return digest(await read(length, file.size - TAIL_BYTES - length));
  } finally {
    await handle.close();
  }
}

function diagnose(size: number, head: Buffer, tail: Buffer): string | undefined {
  const start = head.toString('latin1');
  const end = tail.toString('latin1', 4);
  if (size === 0) return 'is empty';
  if (start.startsWith(MAGIC) && end === MAGIC) return undefined;
  if (start.startsWith(ENCRYPTED_MAGIC) || end === ENCRYPTED_MAGIC) return 'is an encrypted Parquet file';
  if (start.startsWith(MAGIC)) return 'is a truncated Parquet file: it ends without a footer';
  if (start.startsWith('version https://git-lfs'))
    return 'is a Git LFS pointer; fetch the file itself with "git lfs pull"';
  if (/^\s*<(!doctype|html)/i.test(start)) return 'is an HTML page';
  return 'is not a Parquet file';
}

function invalid(file: FoundFile, problem: string): DrayageError {
  return new DrayageError('SOURCE_INVALID', `${file.path} ${problem}`, {
    hint: 'Replace the file, or leave it out of the path.',
  });
}
