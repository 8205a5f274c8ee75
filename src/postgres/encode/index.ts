import type { Decimal, Field } from '../../arrow/batch.ts';
import { type Kind, kindOf } from '../../arrow/types.ts';
import type { TableColumn } from '../catalog.ts';
import { boolEncoder } from './bool.ts';
import { type ColumnEncoder, OID } from './column.ts';
import { floatEncoder } from './float.ts';
import { integerEncoder } from './integer.ts';
import { jsonEncoder } from './json.ts';
import { numericEncoder, numericLimit } from './numeric.ts';
import { dateEncoder, timeEncoder, timestampEncoder } from './temporal.ts';
import { byteaEncoder, textEncoder } from './text.ts';
import { uuidEncoder } from './uuid.ts';

type Factory = (kind: Kind, typmod: number, scale: number) => ColumnEncoder | undefined;

/** varchar(n) and char(n) carry n + 4 as their modifier. */
const characterLimit = (typmod: number) => (typmod < 4 ? undefined : typmod - 4);

/** time and timestamp of fewer than 6 fraction digits would round; -1 and 6 keep every microsecond. */
const keepsMicroseconds = (typmod: number) => typmod === -1 || typmod === 6;

/** One line per Postgres type. */
const FACTORIES: Record<number, Factory> = {
  [OID.bool]: (kind) => boolEncoder(kind),
  [OID.int2]: (kind) => integerEncoder(kind, 2),
  [OID.int4]: (kind) => integerEncoder(kind, 4),
  [OID.int8]: (kind) => integerEncoder(kind, 8),
  [OID.float4]: (kind) => floatEncoder(kind, 4),
  [OID.float8]: (kind) => floatEncoder(kind, 8),
  [OID.numeric]: (kind, typmod, scale) => numericEncoder(kind, scale, numericLimit(typmod)),
  [OID.text]: (kind) => textEncoder(kind, undefined, false),
  [OID.varchar]: (kind, typmod) => textEncoder(kind, characterLimit(typmod), false),
  [OID.bpchar]: (kind, typmod) => textEncoder(kind, characterLimit(typmod), true),
  [OID.bytea]: (kind) => byteaEncoder(kind),
  [OID.uuid]: (kind) => uuidEncoder(kind),
  [OID.date]: (kind) => dateEncoder(kind),
  [OID.time]: (kind, typmod) => (keepsMicroseconds(typmod) ? timeEncoder(kind) : undefined),
  [OID.timestamp]: (kind, typmod) => (keepsMicroseconds(typmod) ? timestampEncoder(kind, 'timestamp') : undefined),
  [OID.timestamptz]: (kind, typmod) => (keepsMicroseconds(typmod) ? timestampEncoder(kind, 'timestamptz') : undefined),
  [OID.json]: (kind) => jsonEncoder(kind, false),
  [OID.jsonb]: (kind) => jsonEncoder(kind, true),
};

/** The encoder that carries an Arrow field into a column without losing anything, or undefined when none does. */
export function encoderFor(field: Field, column: Pick<TableColumn, 'oid' | 'typmod'>): ColumnEncoder | undefined {
  const kind = kindOf(field);
  const scale = kind === 'decimal' ? (field.type as Decimal).scale : 0;
  return kind && FACTORIES[column.oid]?.(kind, column.typmod, scale);
}

/** What the job can do about a pair that has no encoder. */
export function castHint(field: Field, column: Pick<TableColumn, 'oid' | 'type'>): string {
  const kind = kindOf(field);
  if (!FACTORIES[column.oid]) return `No load into columns of type ${column.type} yet; use text or jsonb.`;
  if (kind === 'timestamp' && column.oid === OID.timestamptz) {
    return `Say which zone the times are in: cast with "${field.name}" at time zone 'UTC' in the transform.`;
  }
  const type =
    column.oid === OID.json || column.oid === OID.jsonb ? 'json' : column.type.replace(/^character varying/, 'varchar');
  return `Cast it in the transform, for example "${field.name}"::${type}, or change the column.`;
}
