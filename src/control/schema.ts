// Made from the tables in sql/ by `npm run control-types`; a test holds both equal.

import type { Generated } from 'kysely';

export interface Attempts {
  partition_id: number;
  attempt: number;
  run_id: number;
  worker_id: string | null;
  outcome: string;
  error_code: string | null;
  error: string | null;
  rows_read: number;
  rows_written: number;
  rows_rejected: number;
  started_at: Date | null;
  ended_at: Date;
}

export interface Coercions {
  run_id: number;
  partition_id: number;
  table_name: string;
  column_name: string;
  loss: string;
  rows: number;
}

export interface Epoch {
  id: Generated<string>;
  single: Generated<boolean>;
}

export interface Events {
  id: Generated<number>;
  at: Generated<Date>;
  run_id: number | null;
  actor: string;
  action: string;
  detail: Generated<unknown>;
}

export interface Identity {
  id: Generated<string>;
  single: Generated<boolean>;
}

export interface LakeDatasets {
  lake: string;
  dataset: string;
  columns: unknown;
}

export interface LakeFiles {
  id: Generated<number>;
  lake: string;
  dataset: string;
  path: string;
  rows: number;
  bytes: number;
  checksum: string;
  columns: unknown;
  run_id: number;
  partition_key: string;
  fingerprint: string;
  added_by: number | null;
  removed_by: number | null;
}

export interface LakeLoads {
  fingerprint: string;
  lake: string;
  datasets: string[];
  job: string;
  partition_key: string;
  run_id: number;
  rows_written: Generated<number>;
  loaded_at: Generated<Date>;
}

export interface LakePuts {
  run_id: number;
  path: string;
}

export interface LakeRuns {
  run_id: number;
  root: string;
  lake: string;
  manifest: string;
  published_at: Date | null;
  published: Generated<boolean>;
}

export interface Limits {
  table_name: string;
  max_concurrency: number;
}

export interface Loads {
  fingerprint: string;
  targets: number[];
  job: string;
  partition_key: string;
  run_id: number;
  rows_written: Generated<number>;
  checksum: string | null;
  loaded_at: Generated<Date>;
  epoch: string | null;
}

export interface PartitionDurations {
  run_id: number;
  state: string;
  le: number;
  partitions: number;
  seconds: number;
}

export interface Partitions {
  id: Generated<number>;
  run_id: number;
  key: string;
  fingerprint: string;
  spec: unknown;
  file: string;
  state: Generated<string>;
  attempt: Generated<number>;
  failures: Generated<number>;
  worker_id: string | null;
  rows_planned: number | null;
  bytes_planned: number | null;
  rows_read: Generated<number>;
  rows_written: Generated<number>;
  rows_unchanged: Generated<number>;
  rows_superseded: Generated<number>;
  rows_rejected: Generated<number>;
  checksum: string | null;
  error_code: string | null;
  error: string | null;
  started_at: Date | null;
  finished_at: Date | null;
  warnings: Generated<unknown>;
  pack: string | null;
}

export interface Progress {
  partition_id: number;
  attempt: number;
  rows_read: number;
  updated_at: Generated<Date>;
}

export interface Rejects {
  id: Generated<number>;
  run_id: number;
  partition_id: number;
  table_name: string | null;
  row_number: number | null;
  column_name: string | null;
  reason: string;
  message: string;
  raw: unknown;
  rejected_at: Generated<Date>;
}

export interface RunSamples {
  run_id: number;
  at: Date;
  partitions_pending: number;
  partitions_running: number;
  partitions_done: number;
  partitions_skipped: number;
  partitions_failed: number;
  partitions_cancelled: number;
  rows_read: number;
  rows_written: number;
  rows_rejected: number;
  bytes_read: number;
}

export interface Runs {
  id: Generated<number>;
  job: string;
  job_path: string;
  job_version: string;
  params: unknown;
  state: Generated<string>;
  error: string | null;
  forced: Generated<boolean>;
  retries: number;
  created_at: Generated<Date>;
  started_at: Date | null;
  finished_at: Date | null;
  partitions_total: Generated<number>;
  partitions_pending: Generated<number>;
  partitions_running: Generated<number>;
  partitions_done: Generated<number>;
  partitions_skipped: Generated<number>;
  partitions_failed: Generated<number>;
  partitions_cancelled: Generated<number>;
  rows_planned: Generated<number>;
  bytes_planned: Generated<number>;
  rows_read: Generated<number>;
  rows_written: Generated<number>;
  rows_unchanged: Generated<number>;
  rows_superseded: Generated<number>;
  rows_rejected: Generated<number>;
  bytes_read: Generated<number>;
  checksum: string | null;
  phase: string | null;
  max_rejects: string | null;
  rows_deleted: Generated<number>;
  priority: Generated<number>;
  max_concurrency: number | null;
  max_rows_per_second: number | null;
  reason: string | null;
  draining: Generated<boolean>;
  guarded: Generated<boolean>;
  round: Generated<number>;
  tables: Generated<string[]>;
  target: string | null;
}

export interface Verifications {
  id: Generated<number>;
  run_id: number;
  verified_at: Generated<Date>;
  ok: boolean;
  method: string;
  report: unknown;
}

export interface Workers {
  id: string;
  host: string;
  pid: number;
  concurrency: number;
  state: Generated<string>;
  started_at: Generated<Date>;
  seen_at: Generated<Date>;
  held_back: string | null;
  memory: number | null;
  packs: Generated<string[]>;
}

export interface ControlSchema {
  'drayage.attempts': Attempts;
  'drayage.coercions': Coercions;
  'drayage.epoch': Epoch;
  'drayage.events': Events;
  'drayage.identity': Identity;
  'drayage.lake_datasets': LakeDatasets;
  'drayage.lake_files': LakeFiles;
  'drayage.lake_loads': LakeLoads;
  'drayage.lake_puts': LakePuts;
  'drayage.lake_runs': LakeRuns;
  'drayage.limits': Limits;
  'drayage.loads': Loads;
  'drayage.partition_durations': PartitionDurations;
  'drayage.partitions': Partitions;
  'drayage.progress': Progress;
  'drayage.rejects': Rejects;
  'drayage.run_samples': RunSamples;
  'drayage.runs': Runs;
  'drayage.verifications': Verifications;
  'drayage.workers': Workers;
}
