import { ParquetWriter } from '../arrow/parquet/writer.ts';
import { DrayageError, locate } from '../base/errors.ts';
import { quoteIdentifier } from './catalog.ts';
import type { OnRow } from './copy-out.ts';
import type { WayOut } from './decode/index.ts';

/** A column that leaves Postgres. */
export interface OutColumn {
  name: string;
  out: WayOut;
}

/**
 * How values are written where they leave as text, whatever the server or the role is set to: these are the forms that
 * Postgres reads back without loss.
 */
export const TEXT_FORMS = `set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres'; set local timezone = 'UTC';
  set local extra_float_digits = 1; set local bytea_output = 'hex'; set local client_encoding = 'UTF8'`;

/** The name of a column in the file, where names may be anything and may differ in capitals only. */
export function spoolName(index: number): string {
  return `c${index}`;
}

/** Columns of the file under their own names, as DuckDB is asked for them. */
export function spoolList(columns: readonly OutColumn[]): string {
  return columns.map(({ name }, index) => `${spoolName(index)} as ${quoteIdentifier(name)}`).join(', ');
}

/** The columns as they are asked for. */
export function outList(columns: readonly OutColumn[]): string {
  return columns
    .map(({ name, out }) => {
      const column = quoteIdentifier(name);
      return out.select?.(column) ?? column;
    })
    .join(', ');
}

/**
 * Writes rows into a Parquet file whose columns are named by `spoolName`. Bytes go from the socket into the file's columns
 * without becoming objects in between.
 * @param rows gives the columns as `outList` asks for them: `copyOut` or `fetchOut`
 * @param onBytes told what the file is about to grow by; throws to stop
 * @returns rows written
 */
export async function unload(
  rows: (onRow: OnRow) => Promise<unknown>,
  columns: readonly OutColumn[],
  path: string,
  onBytes?: (bytes: number) => void,
): Promise<number> {
  const nodes = columns.map(({ out }, index) => out.node(spoolName(index)));
  const writer = new ParquetWriter(path, nodes, onBytes);
  const into = writer.columns;
  const reads = columns.map(({ out }) => out.read);
  try {
    await rows((bytes, view, start) => {
      let at = start + 2;
      for (let index = 0; index < reads.length; index++) {
        const length = view.getInt32(at);
        at += 4;
        try {
          reads[index]!(into[index]!, 0, 0, bytes, view, at, length);
        } catch (error) {
          throw located(error, columns[index]!.name, writer.rows + 1);
        }
        if (length > 0) at += length;
      }
      writer.endRow();
    });
    writer.finish();
    return writer.rows;
  } finally {
    writer.close();
  }
}

function located(error: unknown, column: string, row: number): unknown {
  return error instanceof DrayageError ? locate(error, { column, row }) : error;
}
