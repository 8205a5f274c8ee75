import { addNothing, type Column } from '../../arrow/parquet/column.ts';
import { type Put, unfit } from './values.ts';

/**
 * Appends what lies at `at` to a column: a value of `length` bytes, or null when that is -1.
 * @param repetition level of nesting at which the value repeats what came before it
 * @param definition level that everything above the value has
 */
export type Read = (
  column: Column,
  repetition: number,
  definition: number,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  length: number,
) => void;

export function readLeaf(put: Put): Read {
  return (column, repetition, definition, bytes, view, at, length) => {
    const { leaf } = column as Extract<Column, { kind: 'leaf' }>;
    if (length < 0) leaf.level(repetition, definition);
    else {
      leaf.level(repetition, definition + 1);
      put(leaf, bytes, view, at, length);
    }
  };
}

/** Number of dimensions, whether there are nulls, type of the elements (`array_send`). */
const ARRAY_HEAD = 12;

/** An array of so many dimensions as lists of lists. */
export function readArray(dimensions: number, element: Read): Read {
  return (column, repetition, definition, bytes, view, at, length) => {
    if (length < 0) return addNothing(column, repetition, definition);
    const found = view.getInt32(at);
    if (found === 0) return addNothing(column, repetition, definition + 1);
    if (found !== dimensions) {
      const hint = 'Declare the dimensions of the column, as in integer[][], or read it as text: see asText.';
      throw unfit(`an array of ${found} dimensions, and is declared with ${dimensions}`, hint);
    }
    const lengths: number[] = [];
    for (let dimension = 0; dimension < dimensions; dimension++) {
      lengths.push(view.getInt32(at + ARRAY_HEAD + dimension * 8));
      const lower = view.getInt32(at + ARRAY_HEAD + dimension * 8 + 4);
      if (lower !== 1) throw unfit(`an array that begins at ${lower}`, 'Read the column as text: see asText.');
    }
    let position = at + ARRAY_HEAD + dimensions * 8;
    const list = (within: Column, dimension: number, first: number, level: number) => {
      const { element: inner, depth } = within as Extract<Column, { kind: 'list' }>;
      for (let index = 0; index < lengths[dimension]!; index++) {
        const repeats = index === 0 ? first : depth;
        if (dimension + 1 < dimensions) list(inner, dimension + 1, repeats, level + 2);
        else {
          const size = view.getInt32(position);
          element(inner, repeats, level + 2, bytes, view, position + 4, size);
          position += 4 + Math.max(0, size);
        }
      }
    };
    list(column, 0, repetition, definition);
  };
}

/** A composite value: how many members, and each with its type and its value (`record_send`). */
export function readComposite(members: readonly Read[]): Read {
  return (column, repetition, definition, bytes, view, at, length) => {
    if (length < 0) return addNothing(column, repetition, definition);
    const { members: columns } = column as Extract<Column, { kind: 'struct' }>;
    let position = at + 4;
    for (const [index, member] of members.entries()) {
      const size = view.getInt32(position + 4);
      member(columns[index]!, repetition, definition + 1, bytes, view, position + 8, size);
      position += 8 + Math.max(0, size);
    }
  };
}
