import type { Data } from 'apache-arrow';
import { makeColumn } from './batch.ts';
import { hasNulls, isTrue, isValid, packBits } from './cells.ts';

/** A column of the rows at the given places, in their order. Its memory is its own. */
export function take(data: Data, places: Int32Array): Data {
  const rows = places.length;
  const validity = hasNulls(data) ? packBits(rows, (row) => isValid(data, places[row]!)) : null;
  return makeColumn(data.type, rows, { validity, ...takeBuffers(data, places) });
}

function takeBuffers(data: Data, places: Int32Array) {
  const rows = places.length;
  if (data.valueOffsets) {
    const { valueOffsets, elements } = takeStretches(data.valueOffsets as unknown as Int32Array, places);
    if (data.children.length > 0) return { valueOffsets, children: [take(data.children[0]!, elements)] };
    const bytes = data.values as Uint8Array;
    return { valueOffsets, data: Uint8Array.from(elements, (place) => bytes[place]!) };
  }
  if (data.children.length > 0) return { children: data.children.map((child) => take(child, places)) };
  if (String(data.type) === 'Bool') return { data: packBits(rows, (row) => isTrue(data, places[row]!)) };
  const { values, stride } = data;
  const taken = new values.constructor(rows * stride);
  for (let row = 0; row < rows; row++) {
    const from = places[row]! * stride;
    for (let part = 0; part < stride; part++) taken[row * stride + part] = values[from + part];
  }
  return { data: taken };
}

/** Where the elements of lists or the bytes of strings come to lie, and where each comes from. */
function takeStretches(offsets: Int32Array, places: Int32Array) {
  const valueOffsets = new Int32Array(places.length + 1);
  for (let row = 0; row < places.length; row++) {
    const place = places[row]!;
    valueOffsets[row + 1] = valueOffsets[row]! + offsets[place + 1]! - offsets[place]!;
  }
  const elements = new Int32Array(valueOffsets.at(-1)!);
  for (let row = 0; row < places.length; row++) {
    let from = offsets[places[row]!]!;
    for (let at = valueOffsets[row]!; at < valueOffsets[row + 1]!; at++) elements[at] = from++;
  }
  return { valueOffsets, elements };
}
