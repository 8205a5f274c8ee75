import { DrayageError, locate } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import type { DuckConnection } from '../duckdb/instance.ts';
import { rows as queryRows } from '../duckdb/scan.ts';
import { quoteIdentifier, quotePath } from '../duckdb/types.ts';
import { ROW, type SourceContext } from '../model/source.ts';
import { SparseFile } from '../store/sparse.ts';
import type { FileFormat, FoundFile } from './format.ts';
import { neededRanges } from './parquet-columns.ts';
import { readFooter } from './parquet-footer.ts';
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
      const groups = await rowGroups(place.path, file, context);
      const types = await columnTypes(place.path, file, context);
      const shape = digest(JSON.stringify([...types]), JSON.stringify(columns));
      const fileRows = groups.reduce((sum, group) => sum + group.rows, 0);
      for (const { first, last, bytes, largest } of packGroups(groups, partitionRows, partitionBytes)) {
        const key = `${file.path}#rows=${first}-${last}`;
        yield {
          key,
          fingerprint: digest(key, String(file.size), file.version, footer),
          rows: last - first + 1,
          bytes,
          file: file.path,
          shape,
          spec: { ...pinsOf(file), first, last, fileRows, largest, footer: footerBytes.length },
        };
      }
    } finally {
      await place.sparse?.close();
    }
  },

  async open(file, spec, { columns }, context) {
    const { first, last, fileRows, largest } = spec as Record<'first' | 'last' | 'fileRows' | 'largest', number>;
    const place = await placeOf(file, Number(spec.footer), context);
    try {
      const list = await selectList(place.path, file, columns, context);
      const scan = `read_parquet(${quotePath(place.path)}, file_row_number = true, hive_partitioning = false)`;
      const number = 'file_row_number + 1';
      const { sparse } = place;
      // Without a filter there is one chunk less of every column in memory.
      const where = last - first + 1 === fileRows ? '' : ` where file_row_number between ${first - 1} and ${last - 1}`;
      const fill = async (query: string, connection: DuckConnection) =>
        sparse!.fill(await neededRanges(connection, query, sparse!.path, { first, last }));
      return {
        relation: `select ${list}, ${number} as ${quoteIdentifier(ROW)} from ${scan}${where}`,
        rows: last - first + 1,
        memoryBytes: ROW_GROUPS_HELD * largest,
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

/** Until the first rows of a row group have been worked on, DuckDB has the one before it in memory, too. */
const ROW_GROUPS_HELD = 2;

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
  let range = { first: 1, last: 0, bytes: 0, largest: 0 };
  let taken = 0;
  let cuts = 1;
  for (const group of groups) {
    // Cut where the middle of the group lies beyond the bound, so that a range ends at the nearest group.
    const beyond = taken + share(group) / 2 > (whole * cuts) / wanted;
    if (beyond && range.last >= range.first) {
      yield range;
      range = { first: range.last + 1, last: range.last, bytes: 0, largest: 0 };
    }
    while (taken + share(group) / 2 > (whole * cuts) / wanted) cuts++;
    range.last += group.rows;
    range.bytes += group.bytes;
    range.largest = Math.max(range.largest, group.unpacked);
    taken += share(group);
  }
  yield range;
}

/** What is selected of the file. Only declared columns have to be held against those that it has. */
async function selectList(
  place: string,
  file: FoundFile,
  declared: Readonly<Record<string, string>>,
  context: SourceContext,
): Promise<string> {
  if (Object.keys(declared).length === 0) return '* exclude (file_row_number)';
  const types = await columnTypes(place, file, context);
  const list = Object.entries(declared).map(([name, type]) => {
    const quoted = quoteIdentifier(name);
    if (!types.has(name)) return `null::${type} as ${quoted}`;
    return types.get(name) === type.toUpperCase() ? quoted : `${quoted}::${type} as ${quoted}`;
  });
  return list.join(', ');
}

function rowGroups(place: string, file: FoundFile, context: SourceContext): Promise<RowGroup[]> {
  return ask(
    place,
    file,
    context,
    (path) => `select any_value(row_group_num_rows)::double as rows, sum(total_compressed_size)::double as bytes,
        sum(total_uncompressed_size)::double as unpacked
      from parquet_metadata(${path}) group by row_group_id order by row_group_id`,
  ) as Promise<unknown> as Promise<RowGroup[]>;
}

/** The columns of the file with their DuckDB types. */
async function columnTypes(place: string, file: FoundFile, context: SourceContext): Promise<Map<string, string>> {
  const found = await ask(
    place,
    file,
    context,
    (path) => `select column_name as name, column_type as type,
        column_name not in (select name from parquet_schema(${path})) as renamed
      from (describe select * from read_parquet(${path}, hive_partitioning = false))`,
  );
  // DuckDB does not tell capitals from small letters, and gives the second of two such columns another name.
  const renamed = found.find((column) => column.renamed);
  if (renamed) throw invalid(file, `has two columns whose names differ in capitals only: see "${renamed.name}"`);
  const taken = found.find(({ name }) => String(name).toLowerCase() === 'file_row_number');
  if (taken) throw invalid(file, `has a column called "${taken.name}", as which DuckDB numbers rows: rename it`);
  return new Map(found.map(({ name, type }) => [String(name), String(type)]));
}

async function ask(place: string, file: FoundFile, { duck }: SourceContext, query: (path: string) => string) {
  try {
    return await duck.use((connection) => queryRows(connection, query(quotePath(place))));
  } catch (error) {
    const isOther = error instanceof DrayageError && (error.transient || /permission denied/i.test(error.message));
    if (isOther) throw locate(error, { file: file.path });
    throw new DrayageError('SOURCE_INVALID', `The Parquet file cannot be read: ${(error as Error).message}`, {
      where: { file: file.path },
      hint: 'Mend or remove the file.',
      cause: error,
    });
  }
}

function invalid(file: FoundFile, problem: string): DrayageError {
  return new DrayageError('SOURCE_INVALID', `${file.path} ${problem}`, {
    hint: 'Replace the file, or leave it out of the path.',
  });
}
