import { checksumsOf } from '../../control/partitions.ts';
import {
  type ExcludedRow,
  excludedRows,
  type LoadedPartition,
  laterRuns,
  ledgerChecksums,
  skippedFingerprints,
  sourceChecksums,
} from '../../control/verifications.ts';
import { laterLoads, loadedChecksums, loadersOf } from '../../ledger/apart-loads.ts';
import { waitingRejects } from '../../ledger/outbox.ts';
import { isApart, type Services } from '../services.ts';

/** Contents that are asked for at a time. */
const PAGE = 5_000;

/** What verification asks of the ledger; see the functions of the same names in `control/verifications.ts`. */
export interface LoadHistory {
  sourceChecksums(run: number, targets: readonly number[]): Promise<string[]>;
  ledgerChecksums(targets: readonly number[]): Promise<string[]>;
  laterRuns(run: number, table: number): Promise<number[]>;
  excludedRows(partition: LoadedPartition): Promise<ExcludedRow[]>;
}

/** The ledger is where the tables are, and partitions are in the control database: one query, or one in each. */
export async function loadHistory(services: Services): Promise<LoadHistory> {
  const { db, target } = services;
  if (!isApart(services)) {
    return {
      sourceChecksums: (run, targets) => sourceChecksums(db, run, targets),
      ledgerChecksums: (targets) => ledgerChecksums(db, targets),
      laterRuns: (run, table) => laterRuns(db, run, table),
      excludedRows: (partition) => excludedRows(db, partition),
    };
  }
  const control = await services.identity();
  return {
    async sourceChecksums(run, targets) {
      const checksums = await checksumsOf(db, run);
      for await (const fingerprints of skippedFingerprints(db, run, PAGE)) {
        checksums.push(...(await loadedChecksums(target, targets, fingerprints)));
      }
      return checksums;
    },
    ledgerChecksums: (targets) => loadedChecksums(target, targets),
    laterRuns: (run, table) => laterLoads(target, { control, run }, table),
    async excludedRows(partition) {
      if (partition.state === 'done') return excludedRows(db, partition);
      const rows: ExcludedRow[] = [];
      for (const id of await loadersOf(target, control, partition.fingerprint)) {
        rows.push(...(await excludedRows(db, { ...partition, id, state: 'done' })));
        // Of a load that the control database has not heard of.
        for await (const rejects of waitingRejects(target, { control, partition: id })) rows.push(...rejects);
      }
      return rows;
    },
  };
}
