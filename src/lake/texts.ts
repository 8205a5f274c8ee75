import type { Field, RecordBatch, Schema } from '../arrow/batch.ts';
import { bytesOf, isTrue, isValid, textOf } from '../arrow/cells.ts';
import { decimalText, decimalValue } from '../arrow/decimal.ts';
import { cellToJson } from '../arrow/row-json.ts';
import { kindOf } from '../arrow/types.ts';
import { DrayageError } from '../base/errors.ts';
import { quoteIdentifier, quoteLiteral, quotePath } from '../duckdb/types.ts';
import { ROW } from '../model/source.ts';

/** Bytes that DuckDB's reader is given for a line at the least. */
const LEAST_ROOM = 1024 * 1024;

/** Rows of Arrow as lines of text that DuckDB reads; it has no other way in that spills to disk. */
export interface TextRows {
  schema: Schema;
  /** The longest line, in bytes. */
  longest: number;
}

/** @param numbers of the rows in their source; null where nobody knows */
export function* textLines(
  batch: RecordBatch,
  rowNumber: (index: number) => number | null,
  rows: TextRows,
): Generator<string> {
  const { fields } = batch.schema;
  for (let index = 0; index < batch.numRows; index++) {
    const cells = fields.map((field, place) => quoted(cellText(field, batch, place, index)));
    // A mark behind the last one, so that no line is empty.
    const line = `${[...cells, quoted(String(rowNumber(index) ?? '')), '"."'].join(',')}\n`;
    rows.longest = Math.max(rows.longest, Buffer.byteLength(line));
    yield line;
  }
}

/** A query that gives the rows of the file again, in the types that their columns have in a file, with ROW. */
export function textQuery(path: string, { schema, longest }: TextRows): string {
  const room = Math.max(longest + 16, LEAST_ROOM);
  const texts = [...schema.fields, ROW, '.'].map((_, index) => `'c${index}': 'VARCHAR'`);
  const options = `columns = {${texts.join(', ')}}, auto_detect = false, header = false, delim = ',',
    quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false, new_line = '\\n', hive_partitioning = false,
    max_line_size = ${room}, buffer_size = ${room * 2}, parallel = false`;
  const list = schema.fields.map(
    (field, index) => `${valueFrom(field, `c${index}`)} as ${quoteIdentifier(field.name)}`,
  );
  const row = `try_cast(c${schema.fields.length} as bigint) as ${quoteIdentifier(ROW)}`;
  return `select ${[...list, row].join(', ')} from read_csv(${quotePath(path)}, ${options})`;
}

/** What `textQuery` gives, without ROW. @throws TYPE_UNMAPPED */
export const textColumns = ({ fields }: Schema) => fields.map((field) => ({ name: field.name, type: typeOf(field) }));

/** The type of DuckDB that takes what a field holds. @throws TYPE_UNMAPPED */
export function typeOf(field: Field): string {
  const kind = kindOf(field);
  if (kind === 'list') return `${typeOf(field.type.children[0])}[]`;
  if (kind === 'struct') {
    const members = (field.type.children as Field[]).map((one) => `${quoteIdentifier(one.name)} ${typeOf(one)}`);
    return `STRUCT(${members.join(', ')})`;
  }
  if (kind === 'decimal') {
    const { precision, scale } = field.type as unknown as { precision: number; scale: number };
    return `DECIMAL(${precision},${scale})`;
  }
  const type = kind && TYPES[kind];
  if (type) return type;
  throw new DrayageError(
    'TYPE_UNMAPPED',
    `Column "${field.name}" is ${kind ?? field.type}, which a lake does not hold`,
    {
      where: { column: field.name },
      hint: 'Give it as text.',
    },
  );
}

const TYPES: Partial<Record<NonNullable<ReturnType<typeof kindOf>>, string>> = {
  bool: 'BOOLEAN',
  int8: 'TINYINT',
  int16: 'SMALLINT',
  int32: 'INTEGER',
  int64: 'BIGINT',
  uint8: 'UTINYINT',
  uint16: 'USMALLINT',
  uint32: 'UINTEGER',
  uint64: 'UBIGINT',
  float32: 'FLOAT',
  float64: 'DOUBLE',
  utf8: 'VARCHAR',
  json: 'JSON',
  binary: 'BLOB',
  uuid: 'UUID',
  date: 'DATE',
  time: 'TIME',
  timestamp: 'TIMESTAMP',
  timestamptz: 'TIMESTAMP WITH TIME ZONE',
  timestamp_ns: 'TIMESTAMP_NS',
};

const quoted = (text: string | null) => (text === null ? '' : `"${text.replaceAll('"', '""')}"`);

/** Days and microseconds as numbers: their texts would not reach as far as they do. */
function cellText(field: Field, batch: RecordBatch, place: number, index: number): string | null {
  const data = batch.data.children[place]!;
  if (!isValid(data, index)) return null;
  const kind = kindOf(field);
  switch (kind) {
    case 'bool':
      return String(isTrue(data, index));
    case 'decimal':
      return decimalText(decimalValue(data.values, index), (data.type as unknown as { scale: number }).scale);
    case 'utf8':
    case 'json':
      return textOf(data, index);
    case 'binary':
      return Buffer.from(bytesOf(data, index)).toString('hex');
    case 'uuid':
      return Buffer.from(data.values.subarray(index * 16, index * 16 + 16)).toString('hex');
    case 'list':
    case 'struct':
      return cellToJson(kind, data, index);
    default:
      return String(data.values[index]);
  }
}

/** Where Arrow has the infinities of DuckDB, which no number of days or microseconds stands for. */
const ENDS: Readonly<Record<string, readonly [string, string]>> = {
  date: ['2147483647', '-2147483647'],
  timestamp: ['9223372036854775807', '-9223372036854775807'],
  timestamptz: ['9223372036854775807', '-9223372036854775807'],
  timestamp_ns: ['9223372036854775807', '-9223372036854775807'],
};

/** The value that a text of `cellText` stands for. */
function valueFrom(field: Field, text: string): string {
  const kind = kindOf(field)!;
  const type = typeOf(field);
  const finite: Partial<Record<typeof kind, string>> = {
    date: `DATE '1970-01-01' + ${text}::integer`,
    timestamp: `make_timestamp(${text}::bigint)`,
    timestamptz: `make_timestamptz(${text}::bigint)`,
    timestamp_ns: `make_timestamp_ns(${text}::bigint)`,
  };
  const ends = ENDS[kind];
  if (ends) {
    const [last, first] = ends.map(quoteLiteral);
    return `case ${text} when ${last} then 'infinity'::${type} when ${first} then '-infinity'::${type} else ${finite[kind]} end`;
  }
  if (kind === 'binary') return `unhex(${text})`;
  // 24:00:00 is a time, too.
  if (kind === 'time')
    return `(lpad((${text}::bigint // 3600000000)::varchar, 2, '0') || strftime(make_timestamp(${text}::bigint % 3600000000), ':%M:%S.%f'))::TIME`;
  return kind === 'list' || kind === 'struct' ? `${text}::JSON::${type}` : `${text}::${type}`;
}
