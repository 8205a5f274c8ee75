import { DrayageError } from '../base/errors.ts';
import { rows, scan } from '../duckdb/scan.ts';
import { quoteIdentifier, quoteLiteral, quotePath } from '../duckdb/types.ts';
import { ROW, type SourceContext, type SourceFault } from '../model/source.ts';
import { type CleanCsv, cleanCsv, type Part } from './csv-clean.ts';
import type { Dialect } from './csv-options.ts';
import type { Made } from './deferred.ts';
import { COMPRESSION, type Here } from './here.ts';
import { type Misfit, misfits as misfitsOf, type TextColumn } from './text-types.ts';

type Types = Readonly<Record<string, string>>;

/** The rows of a CSV file, each text of the type that its column has. */
export async function csvRows(
  here: Here,
  dialect: Dialect,
  part: Part | undefined,
  types: Types,
  context: SourceContext,
): Promise<Made> {
  let clean = await cleanCsv(here, dialect, part);
  let found = await check(here, clean, dialect, types, context);
  if (found.records !== clean.records && clean.untouched) {
    // DuckDB passes over some records of empty fields; with a number before them, none is empty.
    clean = await cleanCsv(here, dialect, part, true);
    found = await check(here, clean, dialect, types, context);
  }
  if (found.records !== clean.records) {
    const counts = `${clean.records} records stand in the file, and DuckDB reads ${found.records}`;
    const hint = 'Say how the file is written with files(path, { csv }).';
    throw new DrayageError('SOURCE_UNREADABLE', counts, { hint });
  }
  const { columns, bad, texts } = found;
  const misfits = found.misfits > 0;
  const list = columns.map((column) => `${castOf(column)} as ${quoteIdentifier(column.name)}`);
  return {
    relation: `select ${list.join(', ')}, row as ${quoteIdentifier(ROW)} from (${texts})${misfits ? ` where not coalesce(${bad}, false)` : ''}`,
    faults: async function* () {
      yield* clean.faults();
      if (misfits) yield* misfitFaults(columns, `select * from (${texts}) where ${bad}`, clean.names, context);
    },
    close: () => here.release(),
  };
}

/** How many records DuckDB reads, and how many of them hold a text that is not of its column's type. */
async function check(here: Here, clean: CleanCsv, dialect: Dialect, types: Types, { duck }: SourceContext) {
  const columns = textColumns(clean, types);
  const bad =
    columns
      .flatMap(wrongs)
      .map(({ condition }) => condition)
      .join(' or ') || 'false';
  const texts = textsOf(here, clean, dialect);
  const query = `select count(*) as records, count(*) filter (where ${bad}) as misfits from (${texts})`;
  const [found] = await duck.use((connection) => rows(connection, query));
  return { columns, bad, texts, records: Number(found!.records), misfits: Number(found!.misfits) };
}

/** Bytes that the reader is given for a record at the least. */
const LEAST_ROOM = 1024 * 1024;

/** What no field holds, for a reader that cannot be told that nothing means null. */
const NO_TEXT = '\x01\x02\x01';

/** Every record as texts c0, c1 …, and its line as `row`. */
export function textsOf(
  here: Here,
  clean: CleanCsv,
  { delimiter, quote, escape: shield, nulls, quotedNull }: Dialect,
): string {
  const { path, untouched, names, above, skip, longest, returns } = clean;
  const room = Math.max(longest + 16, LEAST_ROOM);
  const columns = names.map((_, index) => `'c${index}': 'VARCHAR'`);
  if (!untouched) columns.unshift(`'n': 'VARCHAR'`);
  const mark = (code: number) => (code === 0 ? `''` : quoteLiteral(String.fromCharCode(code)));
  const options = [
    `columns = {${columns.join(', ')}}`,
    'auto_detect = false',
    'header = false',
    `skip = ${skip}`,
    `delim = ${mark(delimiter)}`,
    `quote = ${mark(quote)}`,
    `escape = ${mark(quote === 0 ? 0 : shield)}`,
    `nullstr = [${(nulls.length > 0 ? nulls : [NO_TEXT]).map(quoteLiteral).join(', ')}]`,
    `allow_quoted_nulls = ${quotedNull}`,
    `new_line = '${returns ? '\\r\\n' : '\\n'}'`,
    `strict_mode = ${quote !== 0}`,
    `max_line_size = ${room}`,
    `buffer_size = ${room * 2}`,
    `compression = ${quoteLiteral(COMPRESSION[untouched ? here.packing : 'none'])}`,
    'parallel = false',
    'hive_partitioning = false',
  ];
  const line = untouched ? `row_number() over () + ${above}` : 'n::bigint';
  const list = names.map((_, index) => `c${index}`).join(', ');
  return `select ${list}, ${line} as row from read_csv(${quotePath(path)}, ${options.join(', ')})`;
}

function textColumns({ names }: CleanCsv, types: Types): TextColumn[] {
  return Object.entries(types).map(([name, type]) => {
    const place = names.indexOf(name);
    return { name, type, text: place === -1 ? 'null::varchar' : `c${place}` };
  });
}

function wrongs(column: TextColumn): Misfit[] {
  const { name, type, text } = column;
  if (type !== 'JSON') return misfitsOf(column);
  const condition = `(${text} is not null and not json_valid(${text}))`;
  return [{ condition, reason: 'wrong_type', said: `${name} is not of type JSON` }];
}

function castOf({ type, text }: TextColumn): string {
  return type === 'VARCHAR' ? text : `${text}::${type}`;
}

async function* misfitFaults(
  columns: readonly TextColumn[],
  query: string,
  names: readonly string[],
  { duck, signal }: SourceContext,
): AsyncGenerator<SourceFault> {
  const all = columns.flatMap(wrongs);
  const cases = all.map(({ condition }, index) => `when ${condition} then ${index}`);
  const members = names.map((name, index) => `${quoteLiteral(name)}, c${index}`).join(', ');
  const connection = await duck.connect();
  try {
    const list = `row, case ${cases.join(' ')} end as misfit, json_object(${members})::varchar as raw`;
    for await (const batch of scan(connection, `select ${list} from (${query})`, { signal })) {
      for (let index = 0; index < batch.numRows; index++) {
        const { row, misfit, raw } = batch.get(index)!.toJSON() as { row: bigint; misfit: number; raw: string };
        const { reason, said } = all[misfit]!;
        yield { row: Number(row), reason, message: said, raw };
      }
    }
  } finally {
    connection.close();
  }
}
