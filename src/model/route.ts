import type { Table } from '../postgres/catalog.ts';
import type { Target } from './target.ts';
import type { Transform } from './transform.ts';

/** A table that a job fills, and what goes into it. */
export interface PreparedTarget {
  /** As the job writes it. */
  name: string;
  target: Target;
  transform: Transform | undefined;
}

/** What goes into one table, and how. */
export interface Route extends PreparedTarget {
  /** The table that is loaded; for `replace` the shadow of the one that it will replace. */
  table: Table;
  /** The other tables of a split target. */
  siblings: readonly Table[];
  /** Where a merge keeps the keys that it has met; quoted. */
  seen?: string;
}
