import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { DrayageError } from '../../base/errors.ts';
import { type Container, damaged, type Entry, LARGEST_ENTRY, type SessionFile, tooLarge } from './container.ts';
import { Unreadable } from './python.ts';

/** The first bytes of every SQLite file: https://www.sqlite.org/fileformat.html */
export const SQLITE_MAGIC = 'SQLite format 3\0';

/**
 * SQLite: a shelf of Python 3.13 and newer (`Dict`), or JAC's own table `anchors`, which holds pickles in its older
 * form and JSON in its newer one.
 */
export const sqlite: Container = {
  name: 'SQLite',

  async *entries(file, scratch) {
    const database = await openDatabase(file, scratch);
    try {
      for (const layout of layoutsOf(database, file)) {
        for (const row of database.prepare(queryOf(layout)).iterate()) yield entryOf(row);
      }
    } catch (error) {
      if (error instanceof DrayageError) throw error;
      throw damaged(file.path, (error as Error).message, error);
    } finally {
      database.close();
    }
  },
};

interface Layout {
  table: string;
  key: string;
  value: string;
  /** Columns that are needed as well. */
  others: readonly string[];
  /** An expression for what is wrong with an entry. */
  problem: string;
  where: string;
}

const LAYOUTS: readonly Layout[] = [
  { table: 'Dict', key: 'key', value: 'value', others: [], problem: 'null', where: 'true' },
  { table: 'anchors', key: 'id', value: 'data', others: [], problem: 'null', where: 'true' },
  {
    ...{ table: 'anchors_quarantine', key: 'id', value: 'data', others: ['error', 'arch_type'] },
    problem: `'JAC itself could not read it: ' || coalesce(error, 'unknown')`,
    // Notes about references that lead nowhere lie there too, and are no anchors.
    where: `coalesce(arch_type, '') <> 'DANGLING_REF'`,
  },
];

function queryOf({ table, key, value, problem, where }: Layout): string {
  const size = `coalesce(length(cast(${value} as blob)), 0)`;
  const content = `case when ${size} <= ${LARGEST_ENTRY} then ${value} end`;
  return `select cast(${key} as text) as key, ${size} as size, ${problem} as problem, ${content} as content
    from ${table} where ${where} order by rowid`;
}

/** @throws SOURCE_INVALID when there is none of the known tables */
function layoutsOf(database: DatabaseSync, { path }: SessionFile): Layout[] {
  const isTable = database.prepare(
    `select 1 from sqlite_schema where type = 'table' and name = ? and sql not like 'create virtual%'`,
  );
  const columnsOf = database.prepare('select name from pragma_table_xinfo(?) where hidden = 0');
  const found = LAYOUTS.filter(({ table, key, value, others }) => {
    const columns = isTable.get(table) ? columnsOf.all(table).map(({ name }) => name) : [];
    return [key, value, ...others].every((column) => columns.includes(column));
  });
  if (found.some(({ table }) => table !== 'anchors_quarantine')) return found;
  throw new DrayageError(
    'SOURCE_INVALID',
    'The SQLite file holds no session: it has neither a table Dict nor a table anchors',
    { where: { file: path }, hint: 'Give the path of a JAC session file.' },
  );
}

function entryOf({ key, size, problem, content }: Record<string, unknown>): Entry {
  const name = String(key);
  if (Number(size) > LARGEST_ENTRY) return tooLarge(name, Number(size));
  if (typeof content !== 'string' && !(content instanceof Uint8Array)) {
    return { key: name, content: null, problem: new Unreadable('not_an_anchor', 'the entry is empty') };
  }
  return { key: name, content, ...(problem ? { problem: new Unreadable('quarantined', String(problem)) } : {}) };
}

/**
 * The session is never written to, nor locked. A log of changes beside it belongs to it, and can only be read by
 * SQLite when it may also write: then a copy is opened.
 */
async function openDatabase({ path, absolute, companions }: SessionFile, scratch: string): Promise<DatabaseSync> {
  // Loaded here, since only this container needs it.
  const { DatabaseSync } = await import('node:sqlite');
  try {
    if (companions.length === 0) {
      const url = pathToFileURL(absolute);
      url.searchParams.set('immutable', '1');
      return new DatabaseSync(url, { readOnly: true });
    }
    const copy = join(scratch, 'session');
    for (const part of [absolute, ...companions]) await copyFile(part, copy + part.slice(absolute.length));
    return new DatabaseSync(copy);
  } catch (error) {
    throw damaged(path, (error as Error).message, error);
  }
}
