import type { Data, Field } from '../../arrow/batch.ts';
import { isValid } from '../../arrow/cells.ts';
import { kindOf } from '../../arrow/types.ts';
import type { PgType } from '../types.ts';
import { addCellSizes, type ColumnEncoder, type Report, type Target, writeNull } from './column.ts';

/**
 * An array in binary (`array_send`): dimensions, whether there are nulls, the element type; per dimension its length
 * and its lower bound; then the elements as cells. An empty array has no dimensions.
 */
const HEADER_BYTES = 12;
const DIMENSION_BYTES = 8;
const LOWER_BOUND = 1;
/** `MAXDIM` (`utils/array.h`). */
const MOST_DIMENSIONS = 6;

/**
 * An array, from lists; lists of lists become dimensions, and must then be of equal length and none of them null.
 * @param encoderOf the encoder of an element, or undefined when there is none
 */
export function arrayEncoder(
  field: Field,
  type: PgType,
  encoderOf: (element: Field, type: PgType) => ColumnEncoder | undefined,
): ColumnEncoder | undefined {
  let inner = field;
  for (let dimensions = 1; dimensions <= MOST_DIMENSIONS && kindOf(inner) === 'list'; dimensions++) {
    inner = inner.type.children[0];
    // The elements of a vector[] are lists themselves, so the first fit decides where the dimensions end.
    const element = encoderOf(inner, type.element!);
    if (element) return new ArrayEncoder(element, type.element!.oid, dimensions);
  }
  return undefined;
}

class ArrayEncoder implements ColumnEncoder {
  readonly #element: ColumnEncoder;
  readonly #elementOid: number;
  readonly #dimensions: number;

  constructor(element: ColumnEncoder, elementOid: number, dimensions: number) {
    this.#element = element;
    this.#elementOid = elementOid;
    this.#dimensions = dimensions;
  }

  check(data: Data, report: Report): void {
    const shape = new Shape(data, this.#dimensions);
    for (let row = 0; row < data.length; row++) {
      if (!isValid(data, row) || shape.read(row)) continue;
      report(row, 'array_shape', 'the lists in it are not all of the same length, or one of them is null or empty');
    }
    if (!this.#element.check) return;
    const faults = new Map<number, Parameters<Report>>();
    this.#element.check(shape.elements, (...fault) => faults.set(fault[0], fault));
    if (faults.size === 0) return;
    for (let row = 0; row < data.length; row++) {
      if (!isValid(data, row) || !shape.read(row)) continue;
      for (let place = shape.from; place < shape.to; place++) {
        const [, reason, message, final] = faults.get(place) ?? [];
        if (reason !== undefined) report(row, reason, `element ${place - shape.from + 1}: ${message}`, final);
      }
    }
  }

  size(data: Data, from: number, to: number, sizes: Int32Array): void {
    const shape = new Shape(data, this.#dimensions);
    const [first, last] = shape.span(from, to);
    const cells = new Int32Array(last - first);
    addCellSizes(this.#element, shape.elements, first, last, cells);
    for (let row = from; row < to; row++) {
      if (!isValid(data, row) || !shape.read(row)) continue;
      let size = HEADER_BYTES + (shape.to > shape.from ? DIMENSION_BYTES * this.#dimensions : 0);
      for (let place = shape.from; place < shape.to; place++) size += cells[place - first]!;
      sizes[row - from]! += size;
    }
  }

  write(data: Data, from: number, to: number, target: Target): void {
    const { out, view, at } = target;
    const shape = new Shape(data, this.#dimensions);
    const [first, last] = shape.span(from, to);
    const cells = new Int32Array(last - first);
    addCellSizes(this.#element, shape.elements, first, last, cells);
    // Where each element's cell goes. Elements of null rows are in none, so they are left out of the stretches.
    const places = new Int32Array(last - first);
    const write = (start: number, end: number) => {
      if (end === start) return;
      const stretch = { out, view, at: places.subarray(start - first, end - first), spare: 0 };
      this.#element.write(shape.elements, start, end, stretch);
    };
    let start = first;
    let end = first;
    for (let row = from; row < to; row++) {
      const slot = row - from;
      if (!isValid(data, row)) {
        writeNull(target, slot);
        continue;
      }
      shape.read(row);
      if (shape.from !== end) {
        write(start, end);
        start = shape.from;
      }
      end = shape.to;
      let position = this.#writeHeader(view, at[slot]!, shape);
      for (let place = shape.from; place < shape.to; place++) {
        places[place - first] = position;
        position += cells[place - first]!;
      }
      view.setInt32(at[slot]!, position - at[slot]! - 4);
      at[slot] = position;
    }
    write(start, end);
  }

  /** @returns where the first element goes */
  #writeHeader(view: DataView, start: number, shape: Shape): number {
    let position = start + 4;
    const dimensions = shape.to > shape.from ? this.#dimensions : 0;
    view.setInt32(position, dimensions);
    view.setInt32(position + 4, shape.hasNulls() ? 1 : 0);
    view.setInt32(position + 8, this.#elementOid);
    position += HEADER_BYTES;
    for (let dimension = 0; dimension < dimensions; dimension++) {
      view.setInt32(position, shape.lengths[dimension]!);
      view.setInt32(position + 4, LOWER_BOUND);
      position += DIMENSION_BYTES;
    }
    return position;
  }
}

/** Looks through lists of lists at the elements. */
class Shape {
  readonly elements: Data;
  readonly lengths: number[] = [];
  /** The elements of the row read last. */
  from = 0;
  to = 0;
  readonly #levels: { data: Data; start(index: number): number }[] = [];

  constructor(data: Data, dimensions: number) {
    let level = data;
    for (let depth = 0; depth < dimensions; depth++) {
      this.#levels.push({ data: level, start: startReader(level) });
      level = level.children[0]!;
    }
    this.elements = level;
  }

  /** @returns false when the row is no array of Postgres */
  read(row: number): boolean {
    // Called for every row: an iterator over the levels would be most of what the collector has to do.
    let from = row;
    let to = row + 1;
    for (let depth = 0; depth < this.#levels.length; depth++) {
      const { data, start } = this.#levels[depth]!;
      const length = start(from + 1) - start(from);
      this.lengths[depth] = length;
      for (let index = from; depth > 0 && index < to; index++) {
        if (length === 0 || start(index + 1) - start(index) !== length || !isValid(data, index)) return false;
      }
      from = start(from);
      to = start(to);
      if (from === to && depth === 0) break;
    }
    this.from = from;
    this.to = to;
    return true;
  }

  /** The elements of the rows [from, to), those of null rows in between included. */
  span(from: number, to: number): [number, number] {
    let [first, last] = [from, to];
    for (const { start } of this.#levels) [first, last] = [start(first), start(last)];
    return [first, last];
  }

  hasNulls(): boolean {
    for (let place = this.from; place < this.to; place++) if (!isValid(this.elements, place)) return true;
    return false;
  }
}

/** Where the elements of a list begin: by offsets, or by a fixed length. */
export function startReader(data: Data): (index: number) => number {
  const offsets = data.valueOffsets as Int32Array | undefined;
  if (offsets && offsets.length > 0) return (index) => offsets[index]!;
  const { listSize } = data.type as unknown as { listSize: number };
  return (index) => index * listSize;
}
