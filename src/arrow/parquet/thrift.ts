/** Types of fields in Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md). */
export const TYPE = {
  true: 1,
  false: 2,
  i8: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  map: 11,
  struct: 12,
  uuid: 13,
} as const;

/** A value and how it is written; a struct is its fields by their numbers. */
export type Thrift =
  | { boolean: boolean }
  | { i8: number }
  | { i32: number }
  | { i64: number }
  | { text: string }
  | { list: readonly Thrift[] }
  | { struct: Readonly<Record<number, Thrift | undefined>> };

/** A struct in Thrift's compact protocol. */
export function thriftBytes(fields: Readonly<Record<number, Thrift | undefined>>): Buffer {
  const out: number[] = [];
  writeStruct(out, fields);
  return Buffer.from(out);
}

function writeStruct(out: number[], fields: Readonly<Record<number, Thrift | undefined>>): void {
  let last = 0;
  // Numbers as keys come in ascending order.
  for (const [key, value] of Object.entries(fields)) {
    if (!value) continue;
    const id = Number(key);
    out.push(((id - last) << 4) | typeOf(value));
    if (!('boolean' in value)) writeValue(out, value);
    last = id;
  }
  out.push(0);
}

function typeOf(value: Thrift): number {
  if ('boolean' in value) return value.boolean ? TYPE.true : TYPE.false;
  if ('i8' in value) return TYPE.i8;
  if ('i32' in value) return TYPE.i32;
  if ('i64' in value) return TYPE.i64;
  if ('text' in value) return TYPE.binary;
  return 'list' in value ? TYPE.list : TYPE.struct;
}

function writeValue(out: number[], value: Thrift): void {
  if ('i8' in value) out.push(value.i8 & 0xff);
  else if ('i32' in value) writeVarint(out, zigzag(value.i32));
  else if ('i64' in value) writeVarint(out, zigzag(value.i64));
  else if ('text' in value) {
    const bytes = Buffer.from(value.text);
    writeVarint(out, bytes.length);
    for (const byte of bytes) out.push(byte);
  } else if ('list' in value) {
    const { list } = value;
    const type = list[0] ? typeOf(list[0]) : TYPE.struct;
    if (list.length < 15) out.push((list.length << 4) | type);
    else {
      out.push(0xf0 | type);
      writeVarint(out, list.length);
    }
    for (const element of list) writeValue(out, element);
  } else if ('struct' in value) writeStruct(out, value.struct);
}

/** Counts and sizes stay below 2^52, so that plain numbers hold them. */
const zigzag = (value: number) => (value < 0 ? -value * 2 - 1 : value * 2);

function writeVarint(out: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
}
