import type { Data, Field } from '../../arrow/batch.ts';
import { fieldOf, listField, structField } from '../../arrow/types.ts';
import type { Loss } from '../encode/coerce.ts';
import type { PgType } from '../types.ts';
import * as build from './build.ts';
import * as convert from './convert.ts';

/** How values of JavaScript become cells of Arrow for a column of Postgres; its encoder takes it from there. */
export interface ValueType {
  field: Field;
  /** @throws Unfit for a value that the column does not take */
  convert: convert.Convert;
  /** Why it is rejected, when the error has no reason of its own. */
  unfit: string;
  build(cells: readonly build.Cell[]): Data;
}

type Shape = { field: (name: string) => Field; convert: convert.Convert; build: build.Build };

const simple = (kind: Parameters<typeof fieldOf>[1], to: convert.Convert, make: build.Build): Shape => ({
  field: (name) => fieldOf(name, kind),
  convert: to,
  build: make,
});

const TEXT = simple('utf8', convert.toText, build.buildBytes);
const WRITTEN = simple('utf8', convert.toWritten, build.buildBytes);
const INTEGER = simple('int64', convert.toInteger, build.buildInt64s);
const DOUBLE = simple('float64', convert.toDouble, build.buildFloat64s);
const JSON_TEXT = simple('json', convert.toJsonText, build.buildBytes);
const BYTES = simple('binary', convert.toBytes, build.buildBytes);

/** One line per type of Postgres whose values are more than text. */
const BY_NAME: Readonly<Record<string, Shape>> = {
  bool: simple('bool', convert.toBool, build.buildBools),
  int2: INTEGER,
  int4: INTEGER,
  int8: INTEGER,
  float4: simple('float32', convert.toSingle, build.buildFloat32s),
  float8: DOUBLE,
  numeric: simple('utf8', convert.toNumeric, build.buildBytes),
  text: TEXT,
  varchar: TEXT,
  bpchar: TEXT,
  name: TEXT,
  citext: TEXT,
  bytea: BYTES,
  geometry: BYTES,
  geography: BYTES,
  date: simple('date', convert.toDay, build.buildInt32s),
  time: simple('time', convert.toTimeOfDay, build.buildInt64s),
  timestamp: simple('timestamp', convert.toMoment(false), build.buildInt64s),
  timestamptz: simple('timestamptz', convert.toMoment(true), build.buildInt64s),
  json: JSON_TEXT,
  jsonb: JSON_TEXT,
  hstore: JSON_TEXT,
};

/** @param loss what the job allows the column to lose */
export function valueType(name: string, type: PgType, loss: Loss | undefined): ValueType {
  const shape = shapeOf(type, loss);
  const field = shape.field(name);
  return { field, convert: shape.convert, unfit: `not_a_${type.name}`, build: (cells) => shape.build(field, cells) };
}

function shapeOf(type: PgType, loss: Loss | undefined): Shape {
  if (type.base) return shapeOf(type.base, loss);
  if (type.element) return listOf(shapeOf(type.element, loss));
  if (type.members)
    return structOf(type.members.map(({ name, type: inner }) => ({ name, shape: shapeOf(inner, loss) })));
  if (!type.builtIn && (type.name === 'vector' || type.name === 'halfvec')) {
    if (loss === 'round') return { ...listOf(DOUBLE), convert: convert.toNumbers };
    const nearest = type.name === 'vector' ? Math.fround : Math.f16round;
    return simple('utf8', convert.toVectorText(nearest), build.buildBytes);
  }
  if (type.name === 'float4' && loss === 'round') return DOUBLE;
  return BY_NAME[type.name] ?? WRITTEN;
}

function listOf(element: Shape): Shape {
  return {
    field: (name) => listField(name, element.field('element')),
    convert: convert.toList(element.convert),
    build: build.buildLists(element.build),
  };
}

function structOf(members: readonly { name: string; shape: Shape }[]): Shape {
  return {
    field: (name) =>
      structField(
        name,
        members.map((member) => member.shape.field(member.name)),
      ),
    convert: convert.toStruct(members.map(({ name, shape }) => ({ name, convert: shape.convert }))),
    build: build.buildStructs(members.map(({ shape }) => shape.build)),
  };
}
