import {
  Binary,
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Field,
  FixedSizeBinary,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  List,
  Struct,
  TimeMicrosecond,
  TimeNanosecond,
  TimestampMicrosecond,
  TimestampNanosecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from 'apache-arrow';

/**
 * The Arrow types that travel between a source and a sink. Everything else is turned into one of these while it is
 * read, or refused before a run starts.
 */
export type Kind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'float32'
  | 'float64'
  | 'decimal'
  | 'utf8'
  | 'json'
  | 'binary'
  | 'uuid'
  | 'date'
  | 'time'
  | 'time_ns'
  | 'timestamp'
  | 'timestamptz'
  | 'timestamp_ns'
  | 'interval'
  | 'list'
  | 'struct';

/** Extension names as registered with Apache Arrow (https://arrow.apache.org/docs/format/CanonicalExtensions.html). */
const EXTENSION = 'ARROW:extension:name';
const JSON_EXTENSION = 'arrow.json';
const UUID_EXTENSION = 'arrow.uuid';
/** Months and days as int32, then microseconds as int64: what DuckDB and Postgres hold, and no type of Arrow does. */
const INTERVAL_EXTENSION = 'drayage.interval';

const SIMPLE: Record<Exclude<Kind, 'decimal' | 'list' | 'struct'>, () => DataType> = {
  bool: () => new Bool(),
  int8: () => new Int8(),
  int16: () => new Int16(),
  int32: () => new Int32(),
  int64: () => new Int64(),
  uint8: () => new Uint8(),
  uint16: () => new Uint16(),
  uint32: () => new Uint32(),
  uint64: () => new Uint64(),
  float32: () => new Float32(),
  float64: () => new Float64(),
  utf8: () => new Utf8(),
  json: () => new Utf8(),
  binary: () => new Binary(),
  uuid: () => new FixedSizeBinary(16),
  date: () => new DateDay(),
  time: () => new TimeMicrosecond(),
  time_ns: () => new TimeNanosecond(),
  timestamp: () => new TimestampMicrosecond(),
  timestamptz: () => new TimestampMicrosecond('UTC'),
  timestamp_ns: () => new TimestampNanosecond(),
  interval: () => new FixedSizeBinary(16),
};

const EXTENSIONS: Partial<Record<Kind, string>> = {
  json: JSON_EXTENSION,
  uuid: UUID_EXTENSION,
  interval: INTERVAL_EXTENSION,
};

/** A nullable field of the given kind; precision and scale matter for decimals only. */
export function fieldOf(name: string, kind: Exclude<Kind, 'list' | 'struct'>, precision = 38, scale = 0): Field {
  const type = kind === 'decimal' ? new Decimal(scale, precision, 128) : SIMPLE[kind]();
  const extension = EXTENSIONS[kind];
  return new Field(name, type, true, extension ? new Map([[EXTENSION, extension]]) : undefined);
}

export function listField(name: string, element: Field): Field {
  return new Field(name, new List(element), true);
}

export function structField(name: string, members: Field[]): Field {
  return new Field(name, new Struct(members), true);
}

const BY_TYPE: Record<string, Kind> = {
  Bool: 'bool',
  Int8: 'int8',
  Int16: 'int16',
  Int32: 'int32',
  Int64: 'int64',
  Uint8: 'uint8',
  Uint16: 'uint16',
  Uint32: 'uint32',
  Uint64: 'uint64',
  Float32: 'float32',
  Float64: 'float64',
  Utf8: 'utf8',
  Binary: 'binary',
  'FixedSizeBinary[16]': 'uuid',
  'Date32<DAY>': 'date',
  'Time64<MICROSECOND>': 'time',
  'Time64<NANOSECOND>': 'time_ns',
  'Timestamp<MICROSECOND>': 'timestamp',
  'Timestamp<NANOSECOND>': 'timestamp_ns',
};

const BY_PREFIX: readonly [string, Kind][] = [
  ['Decimal', 'decimal'],
  ['Timestamp<MICROSECOND,', 'timestamptz'],
  ['List<', 'list'],
  ['FixedSizeList[', 'list'],
  ['Struct<', 'struct'],
];

/** Asked for with every cell; finding out takes longer than reading one. */
const kinds = new WeakMap<Field, Kind | 'none'>();

/** The kind of a field, or undefined when it is none of those that travel. */
export function kindOf(field: Field): Kind | undefined {
  const known = kinds.get(field);
  if (known) return known === 'none' ? undefined : known;
  const kind = findKind(field);
  kinds.set(field, kind ?? 'none');
  return kind;
}

function findKind(field: Field): Kind | undefined {
  const name = String(field.type);
  const [, family] = BY_PREFIX.find(([prefix]) => name.startsWith(prefix)) ?? [];
  if (family) return family;
  const extension = field.metadata.get(EXTENSION);
  if (extension === JSON_EXTENSION) return 'json';
  return extension === INTERVAL_EXTENSION ? 'interval' : BY_TYPE[name];
}

/** How a field is called in plans and errors, for example `decimal(15,2)`. */
export function kindName(field: Field): string {
  const kind = kindOf(field);
  if (kind === 'list') return `list(${kindName(field.type.children[0])})`;
  if (kind === 'struct') {
    const members = (field.type.children as Field[]).map((member) => `${member.name} ${kindName(member)}`);
    return `struct(${members.join(', ')})`;
  }
  if (kind !== 'decimal') return kind ?? String(field.type);
  const type = field.type as Decimal;
  return `decimal(${type.precision},${type.scale})`;
}
