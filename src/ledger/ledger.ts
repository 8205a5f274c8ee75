import type { ClientBase, Pool } from 'pg';

export interface LedgerEntry {
  fingerprint: string;
  job: string;
  partition: string;
  run: number;
}

export interface CompletedLoad {
  fingerprint: string;
  written: number;
  checksum: string;
}

/** A table that is filled. */
export interface LedgerTable {
  /** So that a table made anew counts as empty. */
  oid: number;
  /** A crash empties it: what it held then counts as not loaded. */
  unlogged: boolean;
}

/** Knows what content is in the places that a job fills: the same again in the same places is not loaded. */
export interface Ledger {
  /** Which of these contents are there. */
  find(client: ClientBase | Pool, fingerprints: readonly string[]): Promise<Set<string>>;
  /**
   * Enters a load before its rows are sent. Another transaction that is loading the same content is waited for.
   * @param again whether an entry of an earlier run is taken over rather than respected
   * @returns false when the content is there already
   */
  enter(client: ClientBase, entry: LedgerEntry, again: boolean): Promise<boolean>;
  /** Completes entries with what the loads came to. */
  complete(client: ClientBase, loads: readonly CompletedLoad[]): Promise<void>;
}
