import { closeSync, openSync, writeSync } from 'node:fs';
import { type Column, columnOf, type LeafColumn, leavesOf } from './column.ts';
import { type Node, PHYSICAL } from './node.ts';
import { type Thrift, thriftBytes } from './thrift.ts';

const MAGIC = Buffer.from('PAR1');
const ENCODING = { plain: 0, rle: 3 };
const REPETITION = { optional: 1, repeated: 2 };
const CONVERTED = { map: 1, list: 3 };
/** As many as DuckDB puts into a row group. */
const ROW_GROUP_ROWS = 122_880;
/** What may lie in memory before it is written. */
const ROW_GROUP_BYTES = 8 * 1024 * 1024;

interface Chunk {
  leaf: LeafColumn;
  offset: number;
  bytes: number;
  values: number;
}

/**
 * A Parquet file for DuckDB to read once: PLAIN values, not compressed, one page a column and row group. It is how
 * values that are not DuckDB's come into it, since it has no faster entrance than its own Parquet reader. Writes are
 * synchronous: they land in the page cache, and whoever fills the columns is held back by them.
 *
 * Format: https://parquet.apache.org/docs/file-format/ and parquet.thrift.
 */
export class ParquetWriter {
  readonly columns: readonly Column[];
  /** Bytes of the file so far. */
  bytes = 0;
  rows = 0;
  readonly #nodes: readonly Node[];
  readonly #leaves: readonly LeafColumn[];
  readonly #groups: { rows: number; chunks: Chunk[] }[] = [];
  readonly #file: number;
  readonly #onBytes: (bytes: number) => void;
  #pending = 0;
  #open = true;

  /**
   * @param path of a file that is made
   * @param onBytes told what is about to be added; throws to stop it
   */
  constructor(path: string, nodes: readonly Node[], onBytes: (bytes: number) => void = () => undefined) {
    this.#nodes = nodes;
    this.columns = nodes.map((node) => columnOf(node));
    this.#leaves = this.columns.flatMap((column) => leavesOf(column));
    this.#onBytes = onBytes;
    this.#file = openSync(path, 'w');
    this.#write(MAGIC);
  }

  /** Says that every column has one row more. */
  endRow(): void {
    this.rows++;
    this.#pending++;
    if (this.#pending >= ROW_GROUP_ROWS || ((this.#pending & 7) === 0 && this.#held() > ROW_GROUP_BYTES)) this.#flush();
  }

  /** Completes the file. */
  finish(): void {
    this.#flush();
    const footer = this.#footer();
    const end = Buffer.alloc(8);
    end.writeUInt32LE(footer.length);
    MAGIC.copy(end, 4);
    this.#write(footer);
    this.#write(end);
    this.close();
  }

  /** Lets go of the file, complete or not. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#file);
  }

  #held(): number {
    let bytes = 0;
    for (const { length } of this.#leaves) bytes += length;
    return bytes;
  }

  #flush(): void {
    if (this.#pending === 0) return;
    const chunks = this.#leaves.map((leaf) => this.#chunk(leaf));
    this.#groups.push({ rows: this.#pending, chunks });
    this.#pending = 0;
  }

  #chunk(leaf: LeafColumn): Chunk {
    const { count, length, maxRepetition, maxDefinition, type } = leaf;
    const repetitions = maxRepetition > 0 ? levelBytes(leaf.repetitions, count, maxRepetition) : [];
    const definitions = levelBytes(leaf.definitions, count, maxDefinition);
    const values = type.physical === 'boolean' ? packed(leaf.bytes, length) : leaf.bytes.subarray(0, length);
    const parts = [...repetitions, ...definitions, values];
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    const page = { 1: { i32: count }, 2: { i32: ENCODING.plain }, 3: { i32: ENCODING.rle }, 4: { i32: ENCODING.rle } };
    const head = thriftBytes({ 1: { i32: 0 }, 2: { i32: size }, 3: { i32: size }, 5: { struct: page } });
    const offset = this.bytes;
    this.#write(head);
    for (const part of parts) this.#write(part);
    leaf.clear();
    return { leaf, offset, bytes: this.bytes - offset, values: count };
  }

  #write(bytes: Uint8Array): void {
    this.#onBytes(bytes.length);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
    this.bytes += bytes.length;
  }

  #footer(): Buffer {
    const root: Thrift = { struct: { 4: { text: 'rows' }, 5: { i32: this.#nodes.length } } };
    const schema = [root, ...this.#nodes.flatMap(schemaElements)];
    const groups: Thrift[] = this.#groups.map(({ rows, chunks }) => {
      const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
      return { struct: { 1: { list: chunks.map(chunkMetadata) }, 2: { i64: bytes }, 3: { i64: rows } } };
    });
    return thriftBytes({
      1: { i32: 1 },
      2: { list: schema },
      3: { i64: this.rows },
      4: { list: groups },
      6: { text: 'drayage' },
    });
  }
}

function schemaElements(node: Node): Thrift[] {
  const name: Thrift = { text: node.name };
  const optional: Thrift = { i32: REPETITION.optional };
  if (node.kind === 'leaf') {
    const { physical, length, converted, scale, precision, logical } = node.type;
    const optionally = (value: number | undefined) => (value === undefined ? undefined : { i32: value });
    return [
      {
        struct: {
          1: { i32: PHYSICAL[physical] },
          2: optionally(length),
          3: optional,
          4: name,
          6: optionally(converted),
          7: optionally(scale),
          8: optionally(precision),
          10: logical,
        },
      },
    ];
  }
  if (node.kind === 'list') {
    const group: Thrift = { struct: { 3: optional, 4: name, 5: { i32: 1 }, 6: { i32: CONVERTED.list } } };
    const repeated: Thrift = { struct: { 3: { i32: REPETITION.repeated }, 4: { text: 'list' }, 5: { i32: 1 } } };
    return [group, repeated, ...schemaElements(node.element)];
  }
  if (node.kind === 'map') {
    const group: Thrift = { struct: { 3: optional, 4: name, 5: { i32: 1 }, 6: { i32: CONVERTED.map } } };
    const entry: Thrift = { struct: { 3: { i32: REPETITION.repeated }, 4: { text: 'key_value' }, 5: { i32: 2 } } };
    return [group, entry, ...node.entry.flatMap(schemaElements)];
  }
  const group: Thrift = { struct: { 3: optional, 4: name, 5: { i32: node.members.length } } };
  return [group, ...node.members.flatMap(schemaElements)];
}

function chunkMetadata({ leaf, offset, bytes, values }: Chunk): Thrift {
  const metadata: Thrift = {
    struct: {
      1: { i32: PHYSICAL[leaf.type.physical] },
      2: { list: [{ i32: ENCODING.plain }, { i32: ENCODING.rle }] },
      3: { list: leaf.path.map((text) => ({ text })) },
      4: { i32: 0 },
      5: { i64: values },
      6: { i64: bytes },
      7: { i64: bytes },
      9: { i64: offset },
    },
  };
  return { struct: { 2: { i64: offset }, 3: metadata } };
}

/**
 * Levels in the hybrid of run lengths and packed bits: one run when all are the same, packed bits otherwise
 * (https://parquet.apache.org/docs/file-format/data-pages/encodings/#run-length-encoding--bit-packing-hybrid-rle--3).
 */
function levelBytes(levels: Uint8Array, count: number, max: number): Uint8Array[] {
  const width = 32 - Math.clz32(max);
  let same = 1;
  while (same < count && levels[same] === levels[0]) same++;
  const groups = Math.ceil(count / 8);
  const body = same >= count ? [levels[0]!] : packedLevels(levels, count, width, groups);
  const head = varint(same >= count ? count * 2 : groups * 2 + 1);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(head.length + body.length);
  return [length, head, Uint8Array.from(body)];
}

function packedLevels(levels: Uint8Array, count: number, width: number, groups: number): Uint8Array {
  const out = new Uint8Array(groups * width);
  if (width === 1) {
    for (let index = 0; index < count; index++) out[index >> 3]! |= levels[index]! << (index & 7);
    return out;
  }
  let bit = 0;
  for (let index = 0; index < count; index++, bit += width) {
    const shifted = levels[index]! << (bit & 7);
    out[bit >> 3]! |= shifted;
    if (shifted > 0xff) out[(bit >> 3) + 1]! |= shifted >> 8;
  }
  return out;
}

function varint(value: number): Uint8Array {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
  return Uint8Array.from(out);
}

/** A bit for each byte. */
function packed(bytes: Uint8Array, count: number): Uint8Array {
  return packedLevels(bytes, count, 1, Math.ceil(count / 8));
}
