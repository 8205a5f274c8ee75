import type { Run } from '../../control/runs.ts';
import type { Difference } from '../../sinks/compare.ts';

/** How a run was held against its tables; each is as strict as the others. */
export type VerificationMethod =
  /** The tables hold the run's rows and no others: one scan, one sum. */
  | 'whole'
  /** The tables hold what all loads together have brought, this run's among it: the same scan, the sum of all. */
  | 'ledger'
  /** Row by row: the source is read again. */
  | 'keys';

export interface NamedDifference extends Omit<Difference, 'partition'> {
  partition: string;
}

/** What `verify --json` prints, and what is kept; part of the interface. */
export interface Verification {
  run: number;
  job: string;
  ok: boolean;
  method: VerificationMethod;
  counts: {
    partitions: Record<'total' | 'done' | 'skipped' | 'failed' | 'cancelled', number>;
    rows: Record<'read' | 'written' | 'unchanged' | 'superseded' | 'rejected', number>;
    /** What the tables hold, rows of others included. */
    tables: { table: string; rows: number }[];
    /** Partitions whose rows are not all accounted for. */
    unaccounted: string[];
  };
  checksum: { source: string; target: string };
  /** Partitions with something wrong. */
  partitions: { partition: string; table: string | null; missing: number; different: number; problem: string | null }[];
  differences: NamedDifference[];
  sample: { checked: number; different: number; differences: NamedDifference[] };
  /** What has to be known to judge the above. */
  notes: string[];
  seconds: number;
}

/** What the run itself says. */
export function countsOf(run: Run): Pick<Verification['counts'], 'partitions' | 'rows'> {
  return {
    partitions: {
      total: run.partitions_total,
      done: run.partitions_done,
      skipped: run.partitions_skipped,
      failed: run.partitions_failed,
      cancelled: run.partitions_cancelled,
    },
    rows: {
      read: run.rows_read,
      written: run.rows_written,
      unchanged: run.rows_unchanged,
      superseded: run.rows_superseded,
      rejected: run.rows_rejected,
    },
  };
}
