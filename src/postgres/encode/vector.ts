import type { Data, Field } from '../../arrow/batch.ts';
import { isValid } from '../../arrow/cells.ts';
import { kindOf } from '../../arrow/types.ts';
import { startReader } from './array.ts';
import { type ColumnEncoder, numbers, type Report, type Target, writeNull } from './column.ts';
import { parsed, Unfit } from './parsed.ts';

/** A vector of pgvector in binary (`vector_send`, `halfvec_send`): the count of its numbers, two spare bytes, the numbers. */
const HEADER_BYTES = 4;
/** `VECTOR_MAX_DIM`. */
const MOST_DIMENSIONS = 16_000;

interface Width {
  bytes: 2 | 4;
  /** The nearest number that it can hold. */
  round(value: number): number;
  put(view: DataView, position: number, value: number): void;
}

const SINGLE: Width = {
  bytes: 4,
  round: Math.fround,
  put: (view, position, value) => view.setFloat32(position, value),
};
const HALF: Width = {
  bytes: 2,
  round: Math.f16round,
  put: (view, position, value) => view.setFloat16(position, value),
};

/**
 * pgvector's `vector` (single precision) and `halfvec` (half), from lists of numbers and from JSON text. A value of
 * another length than the column's, with a null, or with a number that is not finite, is a reject.
 * @param dimensions of the column, undefined for any
 * @param rounds whether numbers may lose digits; each such row is reported as `rounded`
 */
export function vectorEncoder(
  field: Field,
  type: 'vector' | 'halfvec',
  dimensions: number | undefined,
  rounds: boolean,
): ColumnEncoder | undefined {
  const width = type === 'vector' ? SINGLE : HALF;
  const kind = kindOf(field);
  if (kind === 'utf8' || kind === 'json') return parsed((text) => fromJson(text, width, dimensions), 'not_a_vector');
  const element = kind === 'list' ? kindOf(field.type.children[0]) : undefined;
  const exact = ['int8', 'uint8', ...(type === 'vector' ? ['int16', 'uint16', 'float32'] : [])];
  const rounding = ['float32', 'float64', 'int16', 'uint16', 'int32', 'uint32'];
  if (!element || !(exact.includes(element) || (rounds && rounding.includes(element)))) return undefined;
  return new VectorEncoder(width, dimensions, exact.includes(element));
}

class VectorEncoder implements ColumnEncoder {
  readonly #width: Width;
  readonly #dimensions: number | undefined;
  readonly #exact: boolean;

  constructor(width: Width, dimensions: number | undefined, exact: boolean) {
    this.#width = width;
    this.#dimensions = dimensions;
    this.#exact = exact;
  }

  check(data: Data, report: Report): void {
    const start = startReader(data);
    const elements = data.children[0]!;
    const values = numbers(elements);
    for (let row = 0; row < data.length; row++) {
      if (!isValid(data, row)) continue;
      const [from, to] = [start(row), start(row + 1)];
      const problem = dimensionProblem(to - from, this.#dimensions);
      if (problem) {
        report(row, 'array_shape', problem);
        continue;
      }
      let rounded = false;
      for (let place = from; place < to; place++) {
        const value = this.#width.round(values[place]!);
        if (!isValid(elements, place) || !Number.isFinite(value)) {
          report(row, 'out_of_range', `number ${place - from + 1} is null, not finite, or too large for a vector`);
          rounded = false;
          break;
        }
        rounded ||= value !== values[place];
      }
      if (rounded && !this.#exact) report(row, 'rounded', 'its numbers lose digits');
    }
  }

  size(data: Data, from: number, to: number, sizes: Int32Array): void {
    const start = startReader(data);
    for (let row = from; row < to; row++) {
      if (isValid(data, row)) sizes[row - from]! += HEADER_BYTES + (start(row + 1) - start(row)) * this.#width.bytes;
    }
  }

  write(data: Data, from: number, to: number, target: Target): void {
    const { view, at } = target;
    const start = startReader(data);
    const values = numbers(data.children[0]!);
    const { bytes, put } = this.#width;
    for (let row = from; row < to; row++) {
      const slot = row - from;
      if (!isValid(data, row)) {
        writeNull(target, slot);
        continue;
      }
      const [first, last] = [start(row), start(row + 1)];
      let position = at[slot]!;
      view.setInt32(position, HEADER_BYTES + (last - first) * bytes);
      view.setInt16(position + 4, last - first);
      view.setInt16(position + 6, 0);
      position += 4 + HEADER_BYTES;
      for (let place = first; place < last; place++, position += bytes) put(view, position, values[place]!);
      at[slot] = position;
    }
  }
}

function dimensionProblem(count: number, wanted: number | undefined): string | undefined {
  if (wanted !== undefined && count !== wanted) return `${count} numbers where the column takes ${wanted}`;
  if (count >= 1 && count <= MOST_DIMENSIONS) return undefined;
  return `${count} numbers; a vector takes 1 to ${MOST_DIMENSIONS}`;
}

/** As the type's own input function reads it: each number becomes the nearest that there is. */
function fromJson(text: string, width: Width, dimensions: number | undefined): Uint8Array {
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    throw new Unfit('it is not a JSON array of numbers');
  }
  if (!Array.isArray(values) || !values.every((value) => typeof value === 'number')) {
    throw new Unfit('it is not a JSON array of numbers');
  }
  const problem = dimensionProblem(values.length, dimensions);
  if (problem) throw new Unfit(problem, 'array_shape');
  const image = new Uint8Array(HEADER_BYTES + values.length * width.bytes);
  const view = new DataView(image.buffer);
  view.setInt16(0, values.length);
  for (const [index, value] of values.entries()) {
    if (!Number.isFinite(width.round(value))) throw new Unfit(`number ${index + 1} is too large`, 'out_of_range');
    width.put(view, HEADER_BYTES + index * width.bytes, value);
  }
  return image;
}
