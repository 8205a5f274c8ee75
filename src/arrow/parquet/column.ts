import type { LeafType, Node } from './node.ts';

const LEAST_BYTES = 4096;

/**
 * The values of one leaf, in the PLAIN encoding, as they come together for a row group. Beside them is a pair of levels
 * for each value, null or empty list, which say where in the nesting it belongs
 * (https://parquet.apache.org/docs/file-format/nestedencoding/).
 */
export class LeafColumn {
  readonly type: LeafType;
  /** Names from the top of the schema down to the leaf, those of list levels included. */
  readonly path: readonly string[];
  /** The level of a value that is there. */
  readonly maxDefinition: number;
  readonly maxRepetition: number;
  bytes = new Uint8Array(LEAST_BYTES);
  view = new DataView(this.bytes.buffer);
  /** Bytes in use. */
  length = 0;
  definitions = new Uint8Array(LEAST_BYTES);
  repetitions = new Uint8Array(0);
  /** Levels in use. */
  count = 0;

  constructor(type: LeafType, path: readonly string[], maxDefinition: number, maxRepetition: number) {
    this.type = type;
    this.path = path;
    this.maxDefinition = maxDefinition;
    this.maxRepetition = maxRepetition;
    if (maxRepetition > 0) this.repetitions = new Uint8Array(LEAST_BYTES);
  }

  /** Room for so many more bytes. @returns where they begin */
  room(bytes: number): number {
    const at = this.length;
    this.length += bytes;
    if (this.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, at));
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    return at;
  }

  level(repetition: number, definition: number): void {
    if (this.count === this.definitions.length) this.#growLevels();
    this.definitions[this.count] = definition;
    if (this.maxRepetition > 0) this.repetitions[this.count] = repetition;
    this.count++;
  }

  /** A text or blob: its length, then its bytes. */
  addBytes(from: Uint8Array, start: number, length: number): void {
    let at = this.room(length + 4);
    this.view.setUint32(at, length, true);
    at += 4;
    const { bytes } = this;
    // A native call costs more than a few bytes.
    if (length > 40) bytes.set(from.subarray(start, start + length), at);
    else for (let index = 0; index < length; index++) bytes[at + index] = from[start + index]!;
  }

  /** For the next row group; the memory is used again. */
  clear(): void {
    this.length = 0;
    this.count = 0;
  }

  #growLevels(): void {
    const grow = (old: Uint8Array) => {
      const grown = new Uint8Array(old.length * 2);
      grown.set(old);
      return grown;
    };
    this.definitions = grow(this.definitions);
    if (this.maxRepetition > 0) this.repetitions = grow(this.repetitions);
  }
}

/** A column with what it is made of; the leaves below it are what is written. */
export type Column =
  | { kind: 'leaf'; leaf: LeafColumn }
  | { kind: 'list'; element: Column; depth: number; leaves: readonly LeafColumn[] }
  | { kind: 'map'; entry: readonly [key: Column, value: Column]; depth: number; leaves: readonly LeafColumn[] }
  | { kind: 'struct'; members: readonly Column[]; leaves: readonly LeafColumn[] };

/** Columns to be filled, for a node of a schema. */
export function columnOf(node: Node, path: readonly string[] = [], definition = 0, repetition = 0): Column {
  const own = [...path, node.name];
  if (node.kind === 'leaf') {
    return { kind: 'leaf', leaf: new LeafColumn(node.type, own, definition + 1, repetition) };
  }
  if (node.kind === 'list') {
    // The list itself, and the group that is repeated for each of its elements.
    const element = columnOf(node.element, [...own, 'list'], definition + 2, repetition + 1);
    return { kind: 'list', element, depth: repetition + 1, leaves: leavesOf(element) };
  }
  if (node.kind === 'map') {
    const [key, value] = node.entry.map((part) =>
      columnOf(part, [...own, 'key_value'], definition + 2, repetition + 1),
    );
    const entry = [key!, value!] as const;
    return { kind: 'map', entry, depth: repetition + 1, leaves: entry.flatMap(leavesOf) };
  }
  const members = node.members.map((member) => columnOf(member, own, definition + 1, repetition));
  return { kind: 'struct', members, leaves: members.flatMap(leavesOf) };
}

export function leavesOf(column: Column): readonly LeafColumn[] {
  return column.kind === 'leaf' ? [column.leaf] : column.leaves;
}

/** A null, or an empty list, somewhere above the leaves. */
export function addNothing(column: Column, repetition: number, definition: number): void {
  for (const leaf of leavesOf(column)) leaf.level(repetition, definition);
}
