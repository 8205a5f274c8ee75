import type { Blocks } from '../control/partition-list.ts';
import type { PartitionState } from '../model/state.ts';

/** A stretch of partitions in the heat map. */
export interface Cell {
  /** Ids of the first and the last one. */
  from: number;
  to: number;
  partitions: number;
  states: Partial<Record<PartitionState, number>>;
}

export const MOST_CELLS = 2_000;
/** Blocks that the database counts for each cell: where runs were planned at the same time, many are empty. */
export const BLOCKS_PER_CELL = 4;

/** Makes cells of about the same number of partitions from blocks that may be empty. */
export function cellsOf({ first, size, blocks }: Blocks): Cell[] {
  const byBlock = Map.groupBy(blocks, ({ block }) => block);
  const total = blocks.reduce((sum, { partitions }) => sum + partitions, 0);
  const perCell = Math.ceil(total / MOST_CELLS);
  const cells: Cell[] = [];
  for (const block of [...byBlock.keys()].sort((a, b) => a - b)) {
    let cell = cells.at(-1);
    if (!cell || cell.partitions >= perCell) {
      cell = { from: first + block * size, to: 0, partitions: 0, states: {} };
      cells.push(cell);
    }
    cell.to = first + (block + 1) * size - 1;
    for (const { state, partitions } of byBlock.get(block)!) {
      cell.partitions += partitions;
      cell.states[state] = (cell.states[state] ?? 0) + partitions;
    }
  }
  return cells;
}

export type Shade = 'pending' | 'begun' | 'most' | 'done' | 'skipped' | 'running' | 'failing' | 'failed' | 'cancelled';

/** How a cell looks: what is wrong shows first, then what is going on, then how much is done. */
export function shadeOf({ partitions, states }: Cell): Shade {
  const { failed = 0, running = 0, done = 0, skipped = 0, cancelled = 0 } = states;
  if (failed > 0) return failed * 2 > partitions ? 'failed' : 'failing';
  if (running > 0) return 'running';
  const settled = done + skipped;
  if (settled === partitions) return skipped > done ? 'skipped' : 'done';
  if (cancelled * 2 > partitions) return 'cancelled';
  if (settled === 0) return 'pending';
  return settled * 2 < partitions ? 'begun' : 'most';
}
