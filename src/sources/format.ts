import type { OpenPartition, PartitionPlan, SourceContext } from '../model/source.ts';

export interface FilesOptions {
  /**
   * Columns by name with their DuckDB types. A column that a file lacks arrives as nulls; one of another type is cast.
   * Left out, a Parquet file says itself what it holds, and a JSONL file is read once to find out.
   */
  columns?: Readonly<Record<string, string>>;
  /** Rows aimed at per partition; Parquet is cut between row groups. Default 1,000,000. */
  partitionRows?: number;
  /** Bytes aimed at per partition, when they are unpacked. Default 256 MiB. */
  partitionBytes?: number;
}

/** A file as it was found on disk. */
export interface FoundFile {
  /** As written by the user, so that it means the same on every host. */
  path: string;
  absolute: string;
  size: number;
  modifiedMs: number;
}

/** One kind of file: how it is cut into partitions, and how one is read. */
export interface FileFormat {
  extensions: readonly string[];
  partitions(file: FoundFile, options: Required<FilesOptions>, context: SourceContext): AsyncIterable<PartitionPlan>;
  open(
    file: FoundFile,
    spec: PartitionPlan['spec'],
    options: Required<FilesOptions>,
    context: SourceContext,
  ): Promise<OpenPartition>;
}
