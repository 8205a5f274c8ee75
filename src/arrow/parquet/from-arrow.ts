import {
  type Data,
  type DataType,
  type Date_,
  DateUnit,
  type Decimal,
  type Dictionary,
  type Duration,
  type Field,
  type FixedSizeBinary,
  type FixedSizeList,
  type Float,
  type Int,
  type Interval,
  IntervalUnit,
  Precision,
  type Time,
  type Timestamp,
  TimeUnit,
  Type,
} from 'apache-arrow';
import { isValid } from '../cells.ts';
import * as put from './arrow-values.ts';
import { addNothing, type Column } from './column.ts';
import { LEAF, type LeafType, type Node } from './node.ts';

/** Appends row `index` of a column of Arrow. */
type Add = (column: Column, repetition: number, definition: number, data: Data, index: number) => void;

/** How a column of Arrow goes into DuckDB. */
export interface ArrowColumn {
  /** As DuckDB writes the type that it reads from the file. */
  duckdb: string;
  node(name: string): Node;
  add: Add;
  /** What DuckDB makes of what it reads, where no type of Parquet holds it. */
  becomes?: string;
}

type Known = keyof typeof LEAF;

const leaf = (duckdb: Known, write: put.PutArrow): ArrowColumn => leafOf(duckdb, LEAF[duckdb], write);

function leafOf(duckdb: string, type: LeafType, write: put.PutArrow): ArrowColumn {
  return {
    duckdb,
    node: (name) => ({ kind: 'leaf', name, type }),
    add(column, repetition, definition, data, index) {
      const { leaf: into } = column as Extract<Column, { kind: 'leaf' }>;
      if (!isValid(data, index)) return into.level(repetition, definition);
      into.level(repetition, definition + 1);
      write(into, data, index);
    },
  };
}

const interval = (parts: Parameters<typeof put.putInterval>[0]): ArrowColumn => ({
  ...leaf('VARCHAR', put.putInterval(parts)),
  becomes: 'INTERVAL',
});

/** Microseconds in a unit of time. */
const MICROS: Partial<Record<TimeUnit, bigint>> = {
  [TimeUnit.SECOND]: 1_000_000n,
  [TimeUnit.MILLISECOND]: 1000n,
  [TimeUnit.MICROSECOND]: 1n,
};

/** Extension types, as registered (https://arrow.apache.org/docs/format/CanonicalExtensions.html). */
const extensionOf = (field: Field) => field.metadata.get('ARROW:extension:name');

/** One line per type of Arrow; undefined for those that DuckDB has nothing for. */
export function arrowColumn(field: Field): ArrowColumn | undefined {
  const { type } = field as { type: DataType };
  switch (type.typeId as Type) {
    case Type.Null:
      return { ...leaf('INTEGER', put.putNumber), add: addNull, becomes: '"NULL"' };
    case Type.Bool:
      return leaf('BOOLEAN', put.putBit);
    case Type.Int:
      return integer(type as Int);
    case Type.Float:
      return float((type as Float).precision);
    case Type.Utf8:
    case Type.LargeUtf8:
      return leaf(extensionOf(field) === 'arrow.json' ? 'JSON' : 'VARCHAR', put.putSlice);
    case Type.Utf8View:
      return leaf('VARCHAR', put.putView);
    case Type.Binary:
    case Type.LargeBinary:
      return leaf('BLOB', put.putSlice);
    case Type.BinaryView:
      return leaf('BLOB', put.putView);
    case Type.FixedSizeBinary: {
      const { byteWidth } = type as FixedSizeBinary;
      if (byteWidth === 16 && extensionOf(field) === 'arrow.uuid') return leaf('UUID', put.putUuidBytes);
      return leaf('BLOB', put.putFixedBlob(byteWidth));
    }
    case Type.Decimal:
      return decimal(type as Decimal);
    case Type.Date:
      return leaf('DATE', (type as Date_).unit === DateUnit.DAY ? put.putNumber : put.putDay);
    case Type.Time: {
      const { unit } = type as Time;
      // DuckDB reads times of a Parquet file as microseconds.
      if (unit === TimeUnit.NANOSECOND) return { ...leaf('VARCHAR', put.putClock), becomes: 'TIME_NS' };
      return leaf('TIME', put.putScaled(MICROS[unit]!));
    }
    case Type.Timestamp:
      return timestamp(type as Timestamp);
    case Type.Interval:
      return intervalOf((type as Interval).unit);
    case Type.Duration: {
      const { unit } = type as Duration;
      if (unit === TimeUnit.NANOSECOND) return undefined;
      return interval(({ values }, index) => [0, 0, values[index] * MICROS[unit]!]);
    }
    case Type.List:
    case Type.LargeList:
    case Type.FixedSizeList:
      return list(type);
    case Type.Struct:
      return struct(type.children as Field[]);
    case Type.Map:
      return map((type.children as Field[])[0]!.type.children as Field[]);
    case Type.Dictionary:
      return dictionary(field);
    default:
      return undefined;
  }
}

const addNull: Add = (column, repetition, definition) => addNothing(column, repetition, definition);

function integer({ bitWidth, isSigned }: Int): ArrowColumn {
  const names = { 8: 'TINYINT', 16: 'SMALLINT', 32: 'INTEGER', 64: 'BIGINT' } as const;
  const name = names[bitWidth as keyof typeof names];
  return leaf(isSigned ? name : `U${name}`, bitWidth === 64 ? put.putBig : put.putNumber);
}

function float(precision: Precision): ArrowColumn {
  if (precision === Precision.HALF) return leaf('FLOAT', put.putHalf);
  return precision === Precision.SINGLE ? leaf('FLOAT', put.putFloat32) : leaf('DOUBLE', put.putFloat64);
}

function decimal({ precision, scale }: Decimal): ArrowColumn {
  if (precision > 38 || scale < 0 || scale > precision) return leaf('VARCHAR', put.putDecimalText);
  const type: LeafType = { physical: 'fixed', length: 16, converted: 5, precision, scale };
  return leafOf(`DECIMAL(${precision},${scale})`, type, put.putDecimalBytes);
}

function timestamp({ unit, timezone }: Timestamp): ArrowColumn {
  const nanoseconds = unit === TimeUnit.NANOSECOND;
  if (timezone) return leaf('TIMESTAMP WITH TIME ZONE', nanoseconds ? put.putMicros : put.putScaled(MICROS[unit]!));
  return nanoseconds ? leaf('TIMESTAMP_NS', put.putBig) : leaf('TIMESTAMP', put.putScaled(MICROS[unit]!));
}

function intervalOf(unit: IntervalUnit): ArrowColumn {
  if (unit === IntervalUnit.YEAR_MONTH) return interval(({ values }, index) => [values[index], 0, 0n]);
  if (unit === IntervalUnit.DAY_TIME) {
    return interval(({ values }, index) => [0, values[index * 2], BigInt(values[index * 2 + 1]) * 1000n]);
  }
  return interval(({ values }, index) => {
    const at = index * 4;
    const nanoseconds = (BigInt(values[at + 3]) << 32n) | BigInt(values[at + 2] >>> 0);
    if (nanoseconds % 1000n !== 0n) throw new RangeError('an interval has nanoseconds, of which none may be lost');
    return [values[at], values[at + 1], nanoseconds / 1000n];
  });
}

function list(type: DataType): ArrowColumn | undefined {
  const element = arrowColumn((type.children as Field[])[0]!);
  if (!element) return undefined;
  const { listSize } = type as FixedSizeList;
  return {
    duckdb: `${element.duckdb}[]`,
    node: (name) => ({ kind: 'list', name, element: element.node('element') }),
    add(column, repetition, definition, data, index) {
      if (!isValid(data, index)) return addNothing(column, repetition, definition);
      const { element: inner, depth } = column as Extract<Column, { kind: 'list' }>;
      const [from, to] = boundsOf(data, index, listSize);
      if (from === to) return addNothing(column, repetition, definition + 1);
      const [child] = data.children as [Data];
      for (let at = from; at < to; at++)
        element.add(inner, at === from ? repetition : depth, definition + 2, child, at);
    },
  };
}

/** Of a list: by offsets, which may have 64 bits, or by its length. */
function boundsOf({ valueOffsets }: Data, index: number, listSize: number | undefined): [from: number, to: number] {
  if (listSize !== undefined) return [index * listSize, (index + 1) * listSize];
  return [Number(valueOffsets[index]), Number(valueOffsets[index + 1])];
}

function struct(fields: readonly Field[]): ArrowColumn | undefined {
  const members = fields.map((member) => ({ name: member.name, column: arrowColumn(member) }));
  if (members.length === 0 || members.some(({ column }) => !column)) return undefined;
  const names = members.map(({ name, column }) => `"${name.replaceAll('"', '""')}" ${column!.duckdb}`);
  return {
    duckdb: `STRUCT(${names.join(', ')})`,
    node: (name) => ({ kind: 'struct', name, members: members.map((member) => member.column!.node(member.name)) }),
    add(column, repetition, definition, data, index) {
      if (!isValid(data, index)) return addNothing(column, repetition, definition);
      const { members: columns } = column as Extract<Column, { kind: 'struct' }>;
      for (const [place, member] of members.entries()) {
        member.column!.add(columns[place]!, repetition, definition + 1, data.children[place]!, index);
      }
    },
  };
}

function map([keyField, valueField]: readonly Field[]): ArrowColumn | undefined {
  const [key, value] = [arrowColumn(keyField!), arrowColumn(valueField!)];
  if (!key || !value) return undefined;
  return {
    duckdb: `MAP(${key.duckdb}, ${value.duckdb})`,
    node: (name) => ({ kind: 'map', name, entry: [key.node('key'), value.node('value')] }),
    add(column, repetition, definition, data, index) {
      if (!isValid(data, index)) return addNothing(column, repetition, definition);
      const { entry, depth } = column as Extract<Column, { kind: 'map' }>;
      const [from, to] = boundsOf(data, index, undefined);
      if (from === to) return addNothing(column, repetition, definition + 1);
      const [keys, values] = (data.children as [Data])[0].children as [Data, Data];
      for (let at = from; at < to; at++) {
        const level = at === from ? repetition : depth;
        key.add(entry[0], level, definition + 2, keys, at);
        value.add(entry[1], level, definition + 2, values, at);
      }
    },
  };
}

/** The values themselves, in place of their numbers. */
function dictionary(field: Field): ArrowColumn | undefined {
  const type = field.type as Dictionary;
  const value = arrowColumn(field.clone({ type: type.dictionary }));
  if (!value) return undefined;
  return {
    ...value,
    add(column, repetition, definition, data, index) {
      if (!isValid(data, index)) return addNothing(column, repetition, definition);
      let at = Number(data.values[index]);
      // A dictionary that was added to is in several pieces.
      for (const piece of data.dictionary!.data as readonly Data[]) {
        if (at < piece.length) return value.add(column, repetition, definition, piece, at);
        at -= piece.length;
      }
      throw new RangeError('a value is not in its dictionary');
    },
  };
}
