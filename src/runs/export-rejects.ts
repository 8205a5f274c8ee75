import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DrayageError } from '../base/errors.ts';
import { rejectPage } from '../control/rejects.ts';
import { rows } from '../duckdb/scan.ts';
import { quoteLiteral, quotePath } from '../duckdb/types.ts';
import { withSourceContext } from './plan.ts';
import type { Services } from './services.ts';

const PAGE_ROWS = 1000;
/** What DuckDB makes room for, and more if need be. */
const LINE_BYTES = 16_777_216;

/** The columns of an exported file, as DuckDB's types. */
const COLUMNS = {
  partition: 'VARCHAR',
  file: 'VARCHAR',
  table: 'VARCHAR',
  row: 'BIGINT',
  column: 'VARCHAR',
  reason: 'VARCHAR',
  message: 'VARCHAR',
  raw: 'VARCHAR',
};

/**
 * Writes all rejects of a run to a file, by its extension as JSON Lines, where `raw` is the row itself, or as Parquet,
 * where it is the row as JSON text.
 * @returns how many
 * @throws USAGE for another extension or a place that cannot be written to
 */
export async function exportRejects(
  services: Services,
  run: number,
  file: string,
  signal: AbortSignal,
): Promise<number> {
  const extension = extname(file);
  if (extension !== '.jsonl' && extension !== '.parquet') {
    throw new DrayageError('USAGE', `Rejects cannot be written as "${extension}"`, {
      hint: 'Name a file that ends in .jsonl or .parquet.',
    });
  }
  await writeFile(file, '', { flag: 'a' }).catch((cause) => {
    throw new DrayageError('USAGE', `${file} cannot be written: ${cause.message}`, { cause });
  });
  if (extension === '.jsonl') return (await writeLines(services, run, file, (raw) => raw, signal)).count;
  return withSourceContext(services, signal, async ({ duck, spool }) => {
    const lines = join(spool, 'rejects.jsonl');
    const { count, longest } = await writeLines(services, run, lines, (raw) => JSON.stringify(raw), signal);
    const columns = Object.entries(COLUMNS).map(([name, type]) => `${quoteLiteral(name)}: ${quoteLiteral(type)}`);
    await duck.use((connection) =>
      rows(
        connection,
        `copy (select * from read_json(${quotePath(lines)}, format = 'newline_delimited', columns = {${columns.join(', ')}},
           maximum_object_size = ${Math.max(LINE_BYTES, longest)})) to ${quoteLiteral(file)} (format parquet)`,
      ),
    );
    return count;
  });
}

async function writeLines(
  { db }: Services,
  run: number,
  file: string,
  rawForm: (raw: string) => string,
  signal: AbortSignal,
): Promise<{ count: number; longest: number }> {
  let count = 0;
  let longest = 0;
  async function* lines() {
    for (let after = 0; ; ) {
      signal.throwIfAborted();
      const page = await rejectPage(db, run, after, PAGE_ROWS);
      for (const { id, raw, ...named } of page) {
        // The row as it was kept: read as JSON and written again its numbers might lose digits.
        const line = `${JSON.stringify(named).slice(0, -1)},"raw":${rawForm(raw)}}\n`;
        longest = Math.max(longest, Buffer.byteLength(line));
        yield line;
        after = id;
        count++;
      }
      if (page.length < PAGE_ROWS) return;
    }
  }
  await pipeline(Readable.from(lines()), createWriteStream(file));
  return { count, longest };
}
