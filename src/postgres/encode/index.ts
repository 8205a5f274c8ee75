import type { Decimal, Field } from '../../arrow/batch.ts';
import { type Kind, kindOf } from '../../arrow/types.ts';
import type { PgType } from '../types.ts';
import { arrayEncoder } from './array.ts';
import { bitsEncoder } from './bits.ts';
import { boolEncoder } from './bool.ts';
import { coerced, type Loss } from './coerce.ts';
import { type ColumnEncoder, OID } from './column.ts';
import { compositeEncoder } from './composite.ts';
import { floatEncoder } from './float.ts';
import { hstoreEncoder } from './hstore.ts';
import { inetEncoder } from './inet.ts';
import { integerEncoder } from './integer.ts';
import { intervalTextEncoder } from './interval.ts';
import { jsonEncoder } from './json.ts';
import { lsnEncoder } from './lsn.ts';
import { macaddrEncoder } from './macaddr.ts';
import { withoutNul } from './nul.ts';
import { numericEncoder, numericLimit } from './numeric.ts';
import { numericTextEncoder } from './numeric-text.ts';
import { multirangeEncoder, rangeEncoder } from './range.ts';
import { roundDecimals, roundToSingle } from './round.ts';
import { dateEncoder, intervalEncoder, timeEncoder, timestampEncoder } from './temporal.ts';
import { byteaEncoder, enumEncoder, nameEncoder, textEncoder } from './text.ts';
import { timetzEncoder } from './timetz.ts';
import { truncateTimes } from './truncate.ts';
import { uuidEncoder } from './uuid.ts';
import { vectorEncoder } from './vector.ts';
import { xmlEncoder } from './xml.ts';

/** What an encoder is made of: the values that come, the type that they go into, and what may get lost on the way. */
interface Pair {
  field: Field;
  kind: Kind;
  type: PgType;
  loss: Loss | undefined;
}

type Factory = (pair: Pair) => ColumnEncoder | undefined;

/** One line per type that is part of Postgres. */
const BUILT_IN: Record<number, Factory> = {
  [OID.bool]: ({ kind }) => boolEncoder(kind),
  [OID.int2]: ({ kind }) => integerEncoder(kind, 2),
  [OID.int4]: ({ kind }) => integerEncoder(kind, 4),
  // Nanoseconds since 1970, for those who need every one of them.
  [OID.int8]: ({ kind }) => integerEncoder(kind === 'timestamp_ns' ? 'int64' : kind, 8),
  [OID.float4]: real,
  [OID.float8]: ({ kind }) => floatEncoder(kind, 8),
  [OID.numeric]: numeric,
  [OID.text]: (pair) => text(pair, (kind) => textEncoder(kind, undefined, false)),
  [OID.varchar]: (pair) => text(pair, (kind) => textEncoder(kind, characterLimit(pair.type), false)),
  [OID.bpchar]: (pair) => text(pair, (kind) => textEncoder(kind, characterLimit(pair.type), true)),
  [OID.name]: (pair) => text(pair, nameEncoder),
  [OID.bytea]: ({ kind }) => byteaEncoder(kind),
  [OID.bit]: ({ kind, type }) => bitsEncoder(kind, type.typmod, false),
  [OID.varbit]: ({ kind, type }) => bitsEncoder(kind, type.typmod, true),
  [OID.uuid]: ({ kind }) => uuidEncoder(kind),
  [OID.date]: ({ kind }) => dateEncoder(kind),
  [OID.time]: (pair) => times(pair, ['time', 'time_ns'], timeEncoder('time')!),
  [OID.timestamp]: (pair) => times(pair, ['timestamp', 'timestamp_ns'], timestampEncoder('timestamp', 'timestamp')!),
  [OID.timestamptz]: (pair) => times(pair, ['timestamptz'], timestampEncoder('timestamptz', 'timestamptz')!),
  [OID.timetz]: ({ kind, type }) => timetzEncoder(kind, type.typmod),
  [OID.interval]: ({ kind, type }) => {
    return (type.typmod === -1 ? intervalEncoder(kind) : undefined) ?? intervalTextEncoder(kind, type.typmod, false);
  },
  [OID.json]: (pair) => text(pair, (kind) => jsonEncoder(kind, false)),
  [OID.jsonb]: (pair) => text(pair, (kind) => jsonEncoder(kind, true)),
  [OID.xml]: ({ kind }) => xmlEncoder(kind),
  [OID.inet]: ({ kind }) => inetEncoder(kind, false),
  [OID.cidr]: ({ kind }) => inetEncoder(kind, true),
  [OID.macaddr]: ({ kind }) => macaddrEncoder(kind, 6),
  [OID.macaddr8]: ({ kind }) => macaddrEncoder(kind, 8),
  [OID.pg_lsn]: ({ kind }) => lsnEncoder(kind),
  [OID.int4range]: ({ kind }) => rangeEncoder(kind, 'int4'),
  [OID.int8range]: ({ kind }) => rangeEncoder(kind, 'int8'),
  [OID.numrange]: ({ kind }) => rangeEncoder(kind, 'num'),
  [OID.daterange]: ({ kind }) => rangeEncoder(kind, 'date'),
  [OID.tsrange]: ({ kind }) => rangeEncoder(kind, 'ts'),
  [OID.tstzrange]: ({ kind }) => rangeEncoder(kind, 'tstz'),
  [OID.int4multirange]: ({ kind }) => multirangeEncoder(kind, 'int4'),
  [OID.int8multirange]: ({ kind }) => multirangeEncoder(kind, 'int8'),
  [OID.nummultirange]: ({ kind }) => multirangeEncoder(kind, 'num'),
  [OID.datemultirange]: ({ kind }) => multirangeEncoder(kind, 'date'),
  [OID.tsmultirange]: ({ kind }) => multirangeEncoder(kind, 'ts'),
  [OID.tstzmultirange]: ({ kind }) => multirangeEncoder(kind, 'tstz'),
};

/** One line per type of an extension, by name. */
const OF_EXTENSIONS: Record<string, Factory> = {
  citext: (pair) => text(pair, (kind) => textEncoder(kind, undefined, false)),
  hstore: ({ kind }) => hstoreEncoder(kind),
  geometry: ({ kind }) => byteaEncoder(kind),
  geography: ({ kind }) => byteaEncoder(kind),
  vector: ({ field, type, loss }) => vectorEncoder(field, 'vector', dimensions(type), loss === 'round'),
  halfvec: ({ field, type, loss }) => vectorEncoder(field, 'halfvec', dimensions(type), loss === 'round'),
};

/**
 * The encoder that carries an Arrow field into a column without losing anything, or undefined when none does.
 * @param loss what the job allows the column to lose
 */
export function encoderFor(field: Field, type: PgType, loss?: Loss): ColumnEncoder | undefined {
  const kind = kindOf(field);
  if (!kind) return undefined;
  const inner = (part: Field, partType: PgType) => encoderFor(part, partType, loss);
  if (type.base) return encoderFor(field, type.base, loss);
  if (type.labels) return enumEncoder(kind, type.labels);
  if (type.element) return kind === 'list' ? arrayEncoder(field, type, inner) : undefined;
  if (type.members) return kind === 'struct' ? compositeEncoder(field, type, inner) : undefined;
  const factory = type.builtIn ? BUILT_IN[type.oid] : OF_EXTENSIONS[type.name];
  return factory?.({ field, kind, type, loss });
}

/** Whether lists and structs of a column go into the type as they are; into all others they go as JSON. */
export function takesNested(type: PgType): boolean {
  if (type.base) return takesNested(type.base);
  return !!type.element || !!type.members || (!type.builtIn && (type.name === 'vector' || type.name === 'halfvec'));
}

/** Whether a column of this type can be made in any database, and loaded. */
export function isLoadable(type: PgType): boolean {
  if (type.element) return isLoadable(type.element);
  return type.builtIn && type.oid in BUILT_IN;
}

/** varchar(n) and char(n) carry n + 4 as their modifier. */
function characterLimit({ typmod }: PgType): number | undefined {
  return typmod < 4 ? undefined : typmod - 4;
}

/** vector(n) carries n. */
function dimensions({ typmod }: PgType): number | undefined {
  return typmod === -1 ? undefined : typmod;
}

function text(
  { kind, type, loss }: Pair,
  encoderOf: (kind: Kind) => ColumnEncoder | undefined,
): ColumnEncoder | undefined {
  const encoder = encoderOf(kind);
  if (!encoder || (loss !== 'strip_nul' && loss !== 'replace_nul')) return encoder;
  return coerced(encoder, loss, withoutNul(loss === 'replace_nul', type.oid === OID.jsonb));
}

function real({ kind, loss }: Pair): ColumnEncoder | undefined {
  if (loss !== 'round' || !['float64', 'int32', 'uint32'].includes(kind)) return floatEncoder(kind, 4);
  return coerced(floatEncoder('float32', 4)!, loss, roundToSingle);
}

function numeric({ field, kind, type, loss }: Pair): ColumnEncoder | undefined {
  const scale = kind === 'decimal' ? (field.type as Decimal).scale : 0;
  const limit = numericLimit(type.typmod);
  if (kind === 'utf8') return numericTextEncoder(kind, limit);
  if (loss !== 'round' || kind !== 'decimal' || !limit || limit.scale < 0 || limit.scale >= scale) {
    return numericEncoder(kind, scale, limit);
  }
  return coerced(numericEncoder(kind, limit.scale, limit)!, loss, roundDecimals(scale, limit.scale));
}

/**
 * Times: those with digits to lose are looked at one by one. Nanoseconds mostly have none, because many programs write
 * them for want of anything else; so they are taken, and rows that do have some are told.
 */
function times({ kind, type, loss }: Pair, kinds: readonly Kind[], encoder: ColumnEncoder): ColumnEncoder | undefined {
  if (!kinds.includes(kind)) return undefined;
  const nanoseconds = kind.endsWith('_ns');
  const digits = type.typmod === -1 ? 6 : type.typmod;
  if (!nanoseconds && digits === 6) return encoder;
  if (digits < 6 && loss !== 'truncate') return undefined;
  return coerced(encoder, 'truncate', truncateTimes(nanoseconds, digits));
}

/** What the job can do about a pair that has no encoder. */
export function castHint(field: Field, column: { type: string; pgType: PgType }): string {
  const kind = kindOf(field);
  const { pgType: type } = column;
  if (type.name === 'money') return 'Its digits depend on the locale of the server; make the column numeric.';
  if (kind === 'timestamp' && type.oid === OID.timestamptz) {
    return `Say which zone the times are in: cast with "${field.name}" at time zone 'UTC' in the transform.`;
  }
  for (const loss of ['round', 'truncate'] as const) {
    if (encoderFor(field, type, loss)) return `Allow it with allow: { ${field.name}: '${loss}' } in the target.`;
  }
  if (
    !type.base &&
    !type.element &&
    !type.members &&
    !type.labels &&
    !(type.builtIn ? BUILT_IN[type.oid] : OF_EXTENSIONS[type.name])
  ) {
    return `No load into columns of type ${column.type}; use text or jsonb.`;
  }
  const cast = castFor(type, column.type);
  return `Cast it in the transform, for example "${field.name}"::${cast}, or change the column.`;
}

/** The type of DuckDB that goes into one of Postgres. @param written as Postgres writes it */
function castFor(type: PgType, written: string): string {
  if (type.base) return castFor(type.base, type.base.name);
  if (type.members) {
    return `struct(${type.members.map((member) => `"${member.name}" ${castFor(member.type, member.type.name)}`).join(', ')})`;
  }
  if (type.element) return `${castFor(type.element, written.replace(/\[\]$/, ''))}[]`;
  if (type.oid === OID.json || type.oid === OID.jsonb) return 'json';
  if (!type.builtIn && /^geo(metry|graphy)$/.test(type.name)) return 'geometry';
  const limit = type.oid === OID.numeric ? numericLimit(type.typmod) : undefined;
  if (limit) return `decimal(${limit.precision},${limit.scale})`;
  return type.labels || !type.builtIn ? 'varchar' : written.replace(/^character varying/, 'varchar');
}
