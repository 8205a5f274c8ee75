import { digest } from '../base/ids.ts';
import type { DuckConnection } from '../duckdb/connection.ts';
import { pathPattern, quoteIdentifier, quotePath } from '../duckdb/types.ts';
import { ROW, type SourceContext } from '../model/source.ts';
import { SparseFile } from '../store/sparse.ts';
import type { FileFormat, FoundFile } from './format.ts';
import { neededRanges } from './parquet-columns.ts';
import { readFooter } from './parquet-footer.ts';
import { type RowGroup, rowGroupsOf } from './parquet-groups.ts';
import { columnsOf, unreadable } from './parquet-look.ts';
import { assertSame, pinsOf } from './pinned.ts';

/**
 * Parquet: a partition is a range of whole row groups, planned from the footer alone.
 * Format: https://parquet.apache.org/docs/file-format/
 */
export const parquet: FileFormat = {
  name: 'parquet',
  extensions: ['.parquet'],
  packs: false,

  async *partitions(file, { columns, partitionRows, partitionBytes }, context) {
    const { digest: footer, bytes: footerBytes } = await readFooter(file, context.signal);
    const place = await placeOf(file, footerBytes, context);
    try {
      const found = await columnsOf(place.path, file, context);
      const groups = rowGroups(file, footerBytes);
      const types = found.map(({ name, type }) => [name, type]);
      const shape = digest(JSON.stringify(types), JSON.stringify(columns));
      const mostBytes = types.length < WIDE_COLUMNS ? partitionBytes : Math.min(partitionBytes, WIDE_BYTES);
      const fileRows = groups.reduce((sum, group) => sum + group.rows, 0);
      for (const { first, last, bytes, unpacked, largest, parts } of packGroups(groups, partitionRows, mostBytes)) {
        const key = `${file.path}#rows=${first}-${last}`;
        yield {
          key,
          fingerprint: digest(key, String(file.size), file.version, footer),
          rows: last - first + 1,
          bytes,
          file: file.path,
          shape,
          spec: {
            ...pinsOf(file),
            ...{ first, last, fileRows, unpacked, largest, columns: types.length, footer: footerBytes.length },
            ...(largest >= LARGE_BYTES && parts.length > 1 ? { parts: parts.map(({ rows }) => rows) } : {}),
          },
        };
      }
    } finally {
      await place.sparse?.close();
    }
  },

  // Few columns are looked at in no time, and a transform may not ask for them.
  expect(file, spec, context) {
    const place = file.store.localPath(file);
    if (place !== undefined && Number(spec.columns) >= WIDE_COLUMNS)
      columnsOf(place, file, context).catch(() => undefined);
  },

  async open(file, spec, { columns }, context) {
    const { first, last, fileRows, unpacked, largest, parts } = spec as unknown as Range;
    const place = await placeOf(file, Number(spec.footer), context);
    try {
      const list = await selectList(place.path, file, columns, context);
      const scan = (path: string) => `read_parquet(${path}, file_row_number = true, hive_partitioning = false)`;
      const number = 'file_row_number + 1';
      const asItIs = Object.keys(columns).length === 0;
      const isWide = asItIs && Number(spec.columns) >= WIDE_COLUMNS;
      const { sparse } = place;
      // Without a filter there is one chunk less of every column in memory.
      const whereOf = (from: number, to: number) =>
        to - from + 1 === fileRows ? '' : ` where file_row_number between ${from - 1} and ${to - 1}`;
      const where = whereOf(first, last);
      const relation = `select ${list}, ${number} as ${quoteIdentifier(ROW)} from ${scan(quotePath(place.path))}`;
      const fill = async (query: string, connection: DuckConnection) =>
        sparse!.fill(await neededRanges(connection, query, sparse!.path, { first, last }));
      return {
        relation: relation + where,
        ...(asItIs ? { columns: () => columnsOf(place.path, file, context) } : {}),
        ...(isWide
          ? {
              wide: {
                from: scan('$1') + where,
                params: [pathPattern(place.path)],
                first,
                rows: last - first + 1,
                bytes: unpacked,
              },
            }
          : {}),
        rows: last - first + 1,
        ...(parts && !isWide ? { parts: partsOf(parts, first, (from, to) => relation + whereOf(from, to)) } : {}),
        memoryBytes: isWide ? unpacked : ROW_GROUPS_HELD * largest,
        ...(sparse ? { prepare: fill } : {}),
        async *faults() {},
        assertUnchanged: () => assertSame(file),
        close: async () => sparse?.close(),
      };
    } catch (error) {
      await place.sparse?.close();
      throw error;
    }
  },
};

/** Where DuckDB reads the file: itself, or a sparse copy of its ends. */
async function placeOf(file: FoundFile, footer: Buffer | number, { disk, signal }: SourceContext) {
  const local = file.store.localPath(file);
  if (local !== undefined) return { path: local, sparse: undefined };
  const bytes = typeof footer === 'number' ? (await readFooter(file, signal, footer)).bytes : footer;
  const sparse = await SparseFile.open(file, file.store, disk, signal);
  try {
    await sparse.write(Buffer.from('PAR1'), 0);
    await sparse.write(bytes, file.size - bytes.length);
    return { path: sparse.path, sparse };
  } catch (error) {
    await sparse.close();
    throw error;
  }
}

/** From how many columns on a few of them are read at a time, and what a partition of them aims at, since it is held. */
const [WIDE_COLUMNS, WIDE_BYTES] = [400, 32e6];

/** Row groups of so many bytes, unpacked, are read each by itself. */
const LARGE_BYTES = 24e6;

/** Until the first rows of a row group have been worked on, DuckDB has the one before it in memory, too. */
const ROW_GROUPS_HELD = 2;

/** What a partition is known by, in its spec. */
interface Range {
  /** Rows, numbered from 1. */
  first: number;
  last: number;
  fileRows: number;
  /** Bytes, when they are worked on: of all of its row groups, and of the largest. */
  unpacked: number;
  largest: number;
  /** Rows of the row groups, or of several small ones, that are read together. */
  parts?: readonly number[];
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
  const begin = (last: number) => ({
    ...{ first: last + 1, last, bytes: 0, unpacked: 0, largest: 0 },
    parts: [] as { rows: number; unpacked: number }[],
  });
  let range = begin(0);
  let taken = 0;
  let cuts = 1;
  for (const group of groups) {
    // Cut where the middle of the group lies beyond the bound, so that a range ends at the nearest group.
    const beyond = taken + share(group) / 2 > (whole * cuts) / wanted;
    if (beyond && range.last >= range.first) {
      yield range;
      range = begin(range.last);
    }
    while (taken + share(group) / 2 > (whole * cuts) / wanted) cuts++;
    range.last += group.rows;
    range.bytes += group.bytes;
    range.unpacked += group.unpacked;
    range.largest = Math.max(range.largest, group.unpacked);
    const part = range.parts.at(-1);
    if (!part || part.unpacked + group.unpacked > LARGE_BYTES) {
      range.parts.push({ rows: group.rows, unpacked: group.unpacked });
    } else {
      part.rows += group.rows;
      part.unpacked += group.unpacked;
    }
    taken += share(group);
  }
  yield range;
}

/** @param rows of each part @param first of the first one @param relationOf the rows from one to another, in the file */
function partsOf(rows: readonly number[], first: number, relationOf: (from: number, to: number) => string) {
  let next = first;
  return rows.map((count) => {
    const from = next;
    next += count;
    return { relation: relationOf(from, next - 1), rows: count };
  });
}

/** What is selected of the file. Only declared columns have to be held against those that it has. */
async function selectList(
  place: string,
  file: FoundFile,
  declared: Readonly<Record<string, string>>,
  context: SourceContext,
): Promise<string> {
  if (Object.keys(declared).length === 0) return '* exclude (file_row_number)';
  const found = await columnsOf(place, file, context);
  const types = new Map(found.map(({ name, type }) => [name, type]));
  const list = Object.entries(declared).map(([name, type]) => {
    const quoted = quoteIdentifier(name);
    if (!types.has(name)) return `null::${type} as ${quoted}`;
    return types.get(name) === type.toUpperCase() ? quoted : `${quoted}::${type} as ${quoted}`;
  });
  return list.join(', ');
}

/** DuckDB has accepted the footer before. */
function rowGroups(file: FoundFile, footer: Buffer): RowGroup[] {
  try {
    return rowGroupsOf(footer);
  } catch (error) {
    throw unreadable(file, error);
  }
}
