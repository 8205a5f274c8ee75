import { DrayageError, diskFull } from '../base/errors.ts';

/** How the names of the files begin that DuckDB makes when it spills. */
const SPILL_FILE = 'duckdb_temp_';

/** What the Parquet reader says of a file that it does not understand. */
const UNREADABLE =
  /Failed to read file|TProtocolException|Out of buffer|compression codec|encoding is only supported|Geoparquet|[Ee]ncrypt/;

/** What a cast in the query says; DuckDB puts the file's name before it. */
const CONVERSION = /Conversion Error|[Cc]ould not (be )?(cast|convert)|out of range/;

/**
 * DuckDB reports errors as text alone; its first words name the class
 * (https://duckdb.org/docs/stable/dev/internal_errors, `Exception::ExceptionTypeToString`).
 */
export function duckFailure(message: string, cause: unknown): DrayageError {
  const firstParagraph = message.split('\n\n')[0]!.trim();
  if (/^INTERRUPT/i.test(message)) return new DrayageError('INTERRUPTED', 'The read was interrupted.', { cause });
  if (/^(Parser|Binder|Catalog) Error/.test(message)) {
    return new DrayageError('TRANSFORM_INVALID', `DuckDB does not accept the query: ${firstParagraph}`, { cause });
  }
  if (/No space left on device|Disk quota exceeded/i.test(message)) {
    if (message.includes(SPILL_FILE)) return diskFull(firstParagraph, cause);
    return new DrayageError('STORE_FULL', `There is no room left to write: ${firstParagraph}`, {
      hint: 'Make room; the partition is tried again, and nothing of it was published.',
      cause,
    });
  }
  if (/^(IO|HTTP) Error/.test(message)) {
    return new DrayageError('SOURCE_UNREADABLE', `The source cannot be read: ${firstParagraph}`, {
      hint: 'Check that the file is there and whole, its permissions, and as whom Drayage runs.',
      cause,
    });
  }
  if (/Invalid string encoding found in Parquet/.test(message)) {
    return new DrayageError('SOURCE_UNREADABLE', `A text in the Parquet file is not UTF-8: ${firstParagraph}`, {
      hint: 'DuckDB cannot read around it. Write the column anew as binary: then only the rows at fault are rejected.',
      cause,
    });
  }
  if (UNREADABLE.test(message) && !CONVERSION.test(message)) {
    return new DrayageError('SOURCE_UNREADABLE', `The source cannot be read: ${firstParagraph}`, {
      hint: 'The file is damaged, or written in a way that DuckDB does not know; write it anew.',
      cause,
    });
  }
  if (message.includes('max_temp_directory_size')) {
    return diskFull(message.split('\n')[0]!.replace(/^Out of Memory Error: /, ''), cause);
  }
  if (/^Out of Memory Error/.test(message)) {
    return new DrayageError('OUT_OF_MEMORY', `DuckDB ran out of memory: ${firstParagraph}`, {
      hint: 'Give it more with DRAYAGE_DUCKDB_MEMORY_MB, or write the file with smaller row groups.',
      cause,
    });
  }
  return new DrayageError('TRANSFORM_FAILED', `DuckDB failed: ${firstParagraph}`, { cause });
}
