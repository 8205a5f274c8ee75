import type { OpenRelation, PartitionPlan, SourceContext } from '../model/source.ts';
import type { S3Options } from '../store/s3.ts';
import type { FileStore, StoredFile } from '../store/stored.ts';
import type { CsvOptions } from './csv-options.ts';

export const FORMAT_NAMES = ['parquet', 'jsonl', 'json', 'csv', 'tsv', 'arrow'] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];

export interface FilesOptions {
  /**
   * Columns by name with their DuckDB types. A column that a file lacks arrives as nulls; one of another type is cast.
   * Left out, Parquet and Arrow files say themselves what they hold, and text files are read once from end to end to
   * find out: never a sample.
   */
  columns?: Readonly<Record<string, string>>;
  /** Rows aimed at per partition; Parquet is cut between row groups. Default 1,000,000. */
  partitionRows?: number;
  /** Bytes aimed at per partition, when they are unpacked. Default 256 MiB. */
  partitionBytes?: number;
  /** What the files are, in place of what their names say. */
  format?: FormatName;
  /** How CSV and TSV files are written. */
  csv?: CsvOptions;
  /** JSON: take what is common but no JSON, such as trailing commas and NaN, and the last of several equal keys. */
  lenient?: boolean;
  /** Columns from `key=value` folders of the path, with their DuckDB types. Without it such folders are just folders. */
  hive?: Readonly<Record<string, string>>;
  /** Read files and folders that are found as links to somewhere else. */
  followLinks?: boolean;
  /** Where `s3://` is, in place of what the environment says. */
  s3?: S3Options;
}

/** With everything that has a default. */
export type WholeOptions = Required<FilesOptions>;

/** How a file is packed as a whole; its name says so. */
export type Packing = 'none' | 'gzip' | 'zstd';

export interface FoundFile extends StoredFile {
  store: FileStore;
  packing: Packing;
}

/** One kind of file: how it is cut into partitions, and how one is read. */
export interface FileFormat {
  name: FormatName;
  extensions: readonly string[];
  /** Whether .gz and .zst of it are read. */
  packs: boolean;
  partitions(file: FoundFile, options: WholeOptions, context: SourceContext): AsyncIterable<PartitionPlan>;
  /** As that of a source. */
  expect?(file: FoundFile, spec: PartitionPlan['spec'], context: SourceContext): void;
  open(
    file: FoundFile,
    spec: PartitionPlan['spec'],
    options: WholeOptions,
    context: SourceContext,
  ): Promise<OpenRelation>;
}
