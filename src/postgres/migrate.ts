import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import { transaction } from './tx.ts';

/** Any constant will do, as long as every version of Drayage uses the same. */
const LOCK_KEY = 7_238_911_441;

const BOOKKEEPING = `
  create schema if not exists drayage;
  create table if not exists drayage.migrations (
    name text primary key,
    checksum text not null,
    applied_at timestamptz not null default now()
  )`;

interface Script {
  name: string;
  sql: string;
  checksum: string;
}

/**
 * Applies what is missing: numbered scripts once and in order, views whenever their text has changed. Several
 * processes may do this at once; the later ones wait and find nothing left to do.
 * @param folder holds `0001_….sql` and `views/….sql`
 * @param prefix of the scripts' names, for a schema that may lie beside another one
 * @returns names of what was applied
 * @throws DATABASE_REFUSED when an applied numbered script has changed since
 */
export async function migrate(pool: pg.Pool, folder: string, prefix = ''): Promise<string[]> {
  const { numbered, views } = await scriptsIn(folder, prefix);
  if (await isCurrent(pool, [...numbered, ...views])) return [];
  return transaction(pool, async (client) => {
    await client.query('select pg_advisory_xact_lock($1)', [LOCK_KEY]);
    await client.query(BOOKKEEPING);
    const done = await appliedChecksums(client);
    const applied: string[] = [];
    for (const script of numbered) {
      if (done.get(script.name) === script.checksum) continue;
      if (done.has(script.name)) throw changed(script);
      await apply(client, script);
      applied.push(script.name);
    }
    // Views may build on each other: all of them go before the first one is made again.
    if (views.some((view) => done.get(view.name) !== view.checksum)) {
      for (const view of views.toReversed())
        await client.query(`drop view if exists drayage.${viewName(view)} cascade`);
      for (const view of views) await apply(client, view);
      applied.push(...views.map((view) => view.name));
    }
    return applied;
  });
}

/** Names of the scripts that a database has not had yet. */
export async function pendingMigrations(pool: pg.Pool, folder: string, prefix = ''): Promise<string[]> {
  const { numbered, views } = await scriptsIn(folder, prefix);
  const scripts = [...numbered, ...views];
  const exists = await pool.query(`select to_regclass('drayage.migrations') is not null as exists`);
  if (!exists.rows[0].exists) return scripts.map(({ name }) => name);
  const done = await appliedChecksums(pool);
  return scripts.filter((script) => done.get(script.name) !== script.checksum).map(({ name }) => name);
}

async function isCurrent(pool: pg.Pool, scripts: Script[]): Promise<boolean> {
  const exists = await pool.query(`select to_regclass('drayage.migrations') is not null as exists`);
  if (!exists.rows[0].exists) return false;
  const done = await appliedChecksums(pool);
  return scripts.every(({ name, checksum }) => done.get(name) === checksum);
}

async function appliedChecksums(client: pg.Pool | pg.ClientBase): Promise<Map<string, string>> {
  const { rows } = await client.query<{ name: string; checksum: string }>(
    'select name, checksum from drayage.migrations',
  );
  return new Map(rows.map(({ name, checksum }) => [name, checksum]));
}

async function apply(client: pg.ClientBase, { name, sql, checksum }: Script): Promise<void> {
  await client.query(sql);
  await client.query(
    `insert into drayage.migrations (name, checksum) values ($1, $2)
     on conflict (name) do update set checksum = excluded.checksum, applied_at = now()`,
    [name, checksum],
  );
}

async function scriptsIn(folder: string, prefix: string): Promise<{ numbered: Script[]; views: Script[] }> {
  const numbered = await readScripts(folder, prefix);
  const hasViews = (await readdir(folder)).includes('views');
  return { numbered, views: hasViews ? await readScripts(join(folder, 'views'), `${prefix}views/`) : [] };
}

async function readScripts(folder: string, prefix: string): Promise<Script[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(folder, name), 'utf8');
      return { name: prefix + name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

/** `views/1_run_progress.sql` makes drayage.run_progress. */
function viewName({ name }: Script): string {
  return name.replace(/^views\/\d+_/, '').replace(/\.sql$/, '');
}

function changed({ name }: Script): DrayageError {
  return new DrayageError('DATABASE_REFUSED', `Migration ${name} was changed after this database had it`, {
    hint: 'Restore the file, and put the change into a new numbered file.',
  });
}
