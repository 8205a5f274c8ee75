import { DrayageError } from '../base/errors.ts';
import { rows, scan } from '../duckdb/scan.ts';
import { quoteIdentifier, quoteLiteral, quotePath } from '../duckdb/types.ts';
import { ROW, type SourceContext, type SourceFault } from '../model/source.ts';
import { type CleanCsv, type CsvSurvey, cleanCsv, untouched } from './csv-clean.ts';
import { type Attempt, type Made, uncheckedBy } from './deferred.ts';
import { COMPRESSION } from './here.ts';
import { losses, type Misfit, misfits as misfitsOf, type TextColumn } from './text-types.ts';

type Types = Readonly<Record<string, string>>;

/** The rows of a CSV file, each text of the type that its column has. */
export async function csvRows(survey: CsvSurvey, types: Types, context: SourceContext): Promise<Made> {
  let clean = await cleanCsv(survey);
  let found = await check(survey, clean, types, context);
  if (found.records !== clean.records && clean.untouched) {
    // DuckDB passes over some records of empty fields; with a number before them, none is empty.
    clean = await cleanCsv(survey, true);
    found = await check(survey, clean, types, context);
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
    close: survey.close,
  };
}

/**
 * The same of a file that is taken for plain, while that is being found out. A text that is not of its column's type, or
 * that its type would not keep, is an error of the query. DuckDB reads the file by the same description as it does once
 * the file has been found plain, so nothing else can become of it when that turns out to be true.
 */
export async function uncheckedRows(survey: CsvSurvey, types: Types): Promise<Attempt> {
  const { returns } = survey.head;
  const clean = untouched(survey, { records: 0, longest: 0, returns });
  const columns = textColumns(clean, types);
  const list = columns.map((column) => `${castOf(column)} as ${quoteIdentifier(column.name)}`);
  const lost = columns.flatMap((column) =>
    column.type === 'JSON' ? wrongs(column).map(({ condition }) => condition) : losses(column),
  );
  const doubts =
    lost.length > 0
      ? ` where case when ${lost.join(' or ')} then error('a text is not kept as it is') else true end`
      : '';
  const expected = survey.plain().then((plain) => {
    const asTaken = plain && plain.returns === returns && plain.longest + SPARE_ROOM <= LEAST_ROOM;
    return asTaken ? plain.records : undefined;
  });
  return {
    relation: `select ${list.join(', ')}, row as ${quoteIdentifier(ROW)} from (${textsOf(survey, clean)})${doubts}`,
    unchecked: uncheckedBy(expected),
    close: survey.close,
  };
}

/** How many records DuckDB reads, and how many of them hold a text that is not of its column's type. */
async function check(survey: CsvSurvey, clean: CleanCsv, types: Types, { duck }: SourceContext) {
  const columns = textColumns(clean, types);
  const bad =
    columns
      .flatMap(wrongs)
      .map(({ condition }) => condition)
      .join(' or ') || 'false';
  const texts = textsOf(survey, clean);
  const query = `select count(*) as records, count(*) filter (where ${bad}) as misfits from (${texts})`;
  const [found] = await duck.use((connection) => rows(connection, query));
  return { columns, bad, texts, records: Number(found!.records), misfits: Number(found!.misfits) };
}

/** Bytes that the reader is given for a record at the least. */
const LEAST_ROOM = 1024 * 1024;
const SPARE_ROOM = 16;

/** What no field holds, for a reader that cannot be told that nothing means null. */
const NO_TEXT = '\x01\x02\x01';

/** Every record as texts c0, c1 …, and its line as `row`. */
export function textsOf({ here, dialect }: CsvSurvey, clean: CleanCsv): string {
  const { delimiter, quote, escape: shield, nulls, quotedNull } = dialect;
  const { path, untouched, names, above, skip, longest, returns } = clean;
  const room = Math.max(longest + SPARE_ROOM, LEAST_ROOM);
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
