/** What a job definition imports. */
export type { RecordBatch } from './arrow/batch.ts';
export { DrayageError } from './base/errors.ts';
export { deterministicUuid } from './base/ids.ts';
export { ExactNumber, parseJson } from './base/json.ts';
export { Lake, type LakeReaderOptions, type QueryResult } from './lake/lake.ts';
export { defineJob, type JobDefinition } from './model/job.ts';
export { type LakeOptions, lake } from './model/lake-target.ts';
export { type LakeColumn, type LakeFile, liveFiles, type Manifest, parseManifest } from './model/manifest.ts';
export type { Mode } from './model/modes.ts';
export type { OpenRecords, Source, SourceFault, SourceRecord } from './model/source.ts';
export { type TargetOptions, table } from './model/target.ts';
export type { Emit } from './model/transform.ts';
export type { DynamoRecord } from './sources/dynamodb/attribute.ts';
export { dynamodbExport } from './sources/dynamodb/export.ts';
export { type DynamoTableOptions, dynamodb } from './sources/dynamodb/index.ts';
export { type EmbeddedOptions, embedded } from './sources/embedded.ts';
export { files } from './sources/files.ts';
export type { FilesOptions } from './sources/format.ts';
export { type LakeFilesOptions, lakeFiles } from './sources/lake-files.ts';
export { postgres } from './sources/postgres/index.ts';
export type { PostgresOptions } from './sources/postgres/options.ts';
export type { RunDirectory, RunFile, RunFileFormat } from './sources/run-directory/directory.ts';
export { type RunDirectoriesOptions, runDirectories } from './sources/run-directory/index.ts';
export type { MarkdownDocument, MarkdownSection } from './sources/run-directory/markdown.ts';
export {
  type SessionEdge,
  type SessionEnd,
  type SessionNode,
  type SessionOptions,
  type SessionRecord,
  session,
} from './sources/session.ts';
export { together } from './sources/together.ts';
export type { S3Options } from './store/s3.ts';
export { batches } from './transforms/batches.ts';
export { sql } from './transforms/sql.ts';
