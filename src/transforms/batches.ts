import type { BatchTransform } from '../model/transform.ts';

/**
 * A function over the source's record batches. A batch with as many rows as it was given is taken to hold the same
 * rows in the same order, so that a reject can be named by its row; otherwise rejects carry the row alone.
 * @param map called with every batch, and once with an empty one, which tells the result's columns
 */
export function batches(map: BatchTransform['map']): BatchTransform {
  return { kind: 'batches', map };
}
