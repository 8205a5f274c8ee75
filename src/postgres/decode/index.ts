import { decimalType, LEAF, type LeafType, type Node } from '../../arrow/parquet/node.ts';
import { quoteIdentifier } from '../catalog.ts';
import { OID } from '../encode/column.ts';
import { numericLimit } from '../encode/numeric.ts';
import type { PgType } from '../types.ts';
import { type Read, readArray, readComposite, readLeaf } from './nested.ts';
import {
  type Put,
  putBool,
  putBytes,
  putDate,
  putDecimal,
  putDouble,
  putInt2,
  putJsonb,
  putTimestamp,
  putUuid,
  putWord,
} from './values.ts';

/** How a column leaves Postgres: with a type of DuckDB that holds all of its values, or as the text that Postgres writes. */
export interface WayOut {
  /** As DuckDB writes it. */
  duckdb: string;
  node(name: string): Node;
  read: Read;
  /** What the server is asked for in place of the column; absent where that is the column itself. */
  select?(column: string): string;
}

const plain = (duckdb: keyof typeof LEAF, put: Put): WayOut => leaf(duckdb, LEAF[duckdb], put);

function leaf(duckdb: string, type: LeafType, put: Put): WayOut {
  return { duckdb, node: (name) => ({ kind: 'leaf', name, type }), read: readLeaf(put) };
}

/** What nothing else holds, or not all of it. */
const AS_TEXT: WayOut = { ...plain('VARCHAR', putBytes), select: (column) => `(${column})::text` };

/** DuckDB's decimals end at 38 digits. */
const LONGEST_DECIMAL = 38;

function numeric({ typmod }: PgType): WayOut {
  const limit = numericLimit(typmod);
  if (!limit || limit.precision > LONGEST_DECIMAL || limit.scale < 0 || limit.scale > limit.precision) return AS_TEXT;
  const { precision, scale } = limit;
  return leaf(`DECIMAL(${precision},${scale})`, decimalType(precision, scale), putDecimal(precision, scale));
}

/**
 * One line per type of Postgres that leaves as something else than text. Left out on purpose: interval, of which a
 * Parquet file keeps milliseconds; timetz, ranges, network addresses, bits and the like, which it has no types for.
 */
const BUILT_IN: Record<number, WayOut | ((type: PgType) => WayOut)> = {
  [OID.bool]: plain('BOOLEAN', putBool),
  [OID.int2]: plain('SMALLINT', putInt2),
  [OID.int4]: plain('INTEGER', putWord),
  [OID.int8]: plain('BIGINT', putDouble),
  [OID.float4]: plain('FLOAT', putWord),
  [OID.float8]: plain('DOUBLE', putDouble),
  [OID.numeric]: numeric,
  [OID.text]: plain('VARCHAR', putBytes),
  [OID.varchar]: plain('VARCHAR', putBytes),
  [OID.bpchar]: plain('VARCHAR', putBytes),
  [OID.name]: plain('VARCHAR', putBytes),
  [OID.json]: plain('JSON', putBytes),
  [OID.jsonb]: plain('JSON', putJsonb),
  [OID.bytea]: plain('BLOB', putBytes),
  [OID.uuid]: plain('UUID', putUuid),
  [OID.date]: plain('DATE', putDate),
  [OID.time]: plain('TIME', putDouble),
  [OID.timestamp]: plain('TIMESTAMP', putTimestamp),
  [OID.timestamptz]: plain('TIMESTAMP WITH TIME ZONE', putTimestamp),
};

/** One line per type of an extension, by name; geometry leaves as well-known binary. */
const OF_EXTENSIONS: Record<string, WayOut> = {
  citext: plain('VARCHAR', putBytes),
  geometry: plain('BLOB', putBytes),
  geography: plain('BLOB', putBytes),
};

/** money's text depends on the locale of the server. */
const MONEY: WayOut = { ...AS_TEXT, select: (column) => `(${column})::numeric::text` };

/**
 * @param dimensions of an array, as it was declared
 * @param asText whatever the type is
 */
export function wayOut(type: PgType, dimensions = 1, asText = false): WayOut {
  if (asText) return AS_TEXT;
  if (type.base) return wayOut(type.base, dimensions);
  if (type.labels) return plain('VARCHAR', putBytes);
  if (type.element) return arrayOut(type.element, dimensions);
  if (type.members) return compositeOut(type.members);
  if (type.builtIn && type.name === 'money') return MONEY;
  const found = type.builtIn ? BUILT_IN[type.oid] : OF_EXTENSIONS[type.name];
  return (typeof found === 'function' ? found(type) : found) ?? AS_TEXT;
}

function arrayOut(type: PgType, dimensions: number): WayOut {
  const element = wayOut(type);
  // Elements that have to be asked for in another form: Postgres casts arrays of them to arrays of text.
  if (element.select && element !== AS_TEXT) return AS_TEXT;
  const node = (name: string): Node => {
    let inner = element.node('element');
    for (let depth = 1; depth < dimensions; depth++) inner = { kind: 'list', name: 'element', element: inner };
    return { kind: 'list', name, element: inner };
  };
  return {
    duckdb: element.duckdb + '[]'.repeat(dimensions),
    node,
    read: readArray(dimensions, element.read),
    ...(element.select ? { select: (column: string) => `(${column})::text[]` } : {}),
  };
}

function compositeOut(members: NonNullable<PgType['members']>): WayOut {
  if (members.length === 0) return AS_TEXT;
  const found = members.map(({ name, type }) => ({ name, out: wayOut(type) }));
  const select = (column: string) => {
    const values = found.map(({ name, out }) => {
      const member = `(${column}).${quoteIdentifier(name)}`;
      return out.select?.(member) ?? member;
    });
    return `case when (${column}) is distinct from null then row(${values.join(', ')}) end`;
  };
  return {
    duckdb: `STRUCT(${found.map(({ name, out }) => `${quoteIdentifier(name)} ${out.duckdb}`).join(', ')})`,
    node: (name) => ({ kind: 'struct', name, members: found.map((member) => member.out.node(member.name)) }),
    read: readComposite(found.map(({ out }) => out.read)),
    ...(found.some(({ out }) => out.select) ? { select } : {}),
  };
}
