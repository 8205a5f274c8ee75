import { PARTITION_STEPS, RUN_STEPS } from '../../model/state.ts';
import { bool, free, int, list, moment, number, object, or, type Schema, said, text } from './schema.ts';

/** What the documents of the API look like. */

const runState: Schema = { type: 'string', enum: Object.keys(RUN_STEPS) };
export const partitionState: Schema = { type: 'string', enum: Object.keys(PARTITION_STEPS) };

export const run = object({
  run: int,
  job: text,
  state: runState,
  phase: said(or(text), 'What the end of the run is busy with.'),
  reason: said(or(text), 'Why the run is paused.'),
  settings: object({ priority: int, max_concurrency: or(int), max_rows_per_second: or(int) }),
  error: or(text),
  params: said(free, 'Secrets are masked.'),
  percent: said(number, 'Of the partitions, settled.'),
  partitions: object({ total: int, pending: int, running: int, done: int, skipped: int, failed: int, cancelled: int }),
  rows: object({ planned: int, read: int, written: int, unchanged: int, superseded: int, rejected: int, deleted: int }),
  bytes: object({ planned: int, read: int }),
  seconds: or(number),
  rows_per_second: number,
  eta_seconds: or(number),
  checksum: or(text),
  verified: said(or(bool), 'What the latest verification came to; null without one.'),
  verified_at: or(moment),
  created_at: moment,
  started_at: or(moment),
  finished_at: or(moment),
});

export const partition = object({
  id: int,
  run: int,
  key: text,
  file: text,
  state: partitionState,
  attempt: int,
  failures: int,
  worker: or(text),
  rows: object({ planned: or(int), read: int, written: int, unchanged: int, superseded: int, rejected: int }),
  bytes_planned: or(int),
  checksum: or(text),
  error_code: or(text),
  error: or(text),
  warnings: list(object({ row: or(int), message: text })),
  seconds: or(number),
  started_at: or(moment),
  finished_at: or(moment),
});

export const attempt = object({
  attempt: int,
  outcome: { type: 'string', enum: ['done', 'skipped', 'failed', 'released', 'cancelled', 'lost'] },
  worker: or(text),
  host: or(text),
  rows_read: int,
  rows_written: int,
  rows_rejected: int,
  error_code: or(text),
  error: or(text),
  seconds: or(number),
  started_at: or(moment),
  ended_at: moment,
});

export const cell = object({
  from: said(int, 'Id of the first partition.'),
  to: said(int, 'Id of the last partition.'),
  partitions: int,
  states: said({ type: 'object', additionalProperties: int }, 'How many of them are in each state.'),
});

export const sample = object({
  time: moment,
  seconds: said(number, 'Since the run was started.'),
  partitions_pending: int,
  partitions_running: int,
  partitions_done: int,
  partitions_skipped: int,
  partitions_failed: int,
  partitions_cancelled: int,
  rows_read: int,
  rows_written: int,
  rows_rejected: int,
  bytes_read: int,
  rows_per_second: said(or(number), 'Since the sample before.'),
});

export const rejectGroup = object({ table: or(text), column: or(text), reason: text, rows: int, example: text });

export const reject = object({
  id: int,
  partition_id: int,
  partition: text,
  file: text,
  table: or(text),
  row: said(or(int), '1-based, in the file; null when the transform does not keep rows apart.'),
  column: or(text),
  reason: text,
  message: text,
  raw: said(text, 'The row as it came, as JSON text.'),
  rejected_at: moment,
});

export const loss = object({ table: text, column: text, loss: text, rows: int });

export const event = object({ id: int, at: moment, actor: text, action: text, detail: free });

export const verification = object({ ok: bool, method: text, verified_at: moment, report: free });

export const worker = object({
  worker: text,
  host: text,
  pid: int,
  state: { type: 'string', enum: ['alive', 'draining', 'lost', 'stopped'] },
  concurrency: int,
  started_at: moment,
  seen_at: moment,
  memory: said(or(int), 'Resident, in bytes.'),
  held_back: said(or(text), 'Why it claims nothing although there is work.'),
  busy: list(
    object({
      run: int,
      job: text,
      partition_id: int,
      partition: text,
      rows_read: int,
      rows_planned: or(int),
      seconds: or(number),
    }),
  ),
});

export const job = object({
  name: text,
  description: text,
  targets: list(text),
  params: list(
    object({
      name: text,
      type: { type: 'string', enum: ['string', 'number', 'boolean'] },
      default: { type: ['string', 'number', 'boolean', 'null'] },
      env: or(text),
      help: or(text),
    }),
  ),
  error: said(or(text), 'Why the definition cannot be used.'),
});

export const steered = object({
  run: int,
  job: text,
  state: said(runState, 'As it is now.'),
  partitions: said(int, 'Partitions that this has changed.'),
});

export const problem = object({ error: object({ code: text, message: text, hint: or(text) }) });
