/** What a job definition imports. */
export type { RecordBatch } from './arrow/batch.ts';
export { DrayageError } from './base/errors.ts';
export { defineJob, type JobDefinition } from './model/job.ts';
export { type Mode, type TargetOptions, table } from './model/target.ts';
export { files } from './sources/files.ts';
export type { FilesOptions } from './sources/format.ts';
export type { S3Options } from './store/s3.ts';
export { batches } from './transforms/batches.ts';
export { sql } from './transforms/sql.ts';
