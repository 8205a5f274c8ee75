import { expect, test, vi } from 'vitest';
import { readConfig } from '../../src/base/config.ts';
import { findRun } from '../../src/control/runs.ts';
import { transaction } from '../../src/postgres/tx.ts';
import { enqueue } from '../../src/runs/enqueue.ts';
import { loadJob } from '../../src/runs/load-jobs.ts';
import { prepareJob } from '../../src/runs/prepare.ts';
import { ensureSchema, openQueue, openServices } from '../../src/runs/services.ts';
import { settleTables } from '../../src/runs/settle-tables.ts';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

let at: Workspace;
useWorkspace(async (workspace) => {
  at = workspace;
  await at.project.write('data/a.jsonl', '{"id":1}\n');
  await at.project.write(
    'sql/targets/numbers.sql',
    `create table "numbers$$" (id bigint primary key, of bigint references "numbers$$");
     create function keep() returns trigger language plpgsql as 'begin return new; end';
     create trigger kept before insert on "numbers$$" for each row execute function keep()`,
  );
  await at.project.write(
    'jobs/numbers.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'numbers', description: 'Numbers', source: () => files('data', { columns: { id: 'bigint' } }),
       targets: { '"numbers$$"': table({ ddl: 'numbers.sql', mode: 'replace' }) },
     });`,
  );
});

test('two who put the same table in its place, the first not done when the second begins, put it there once', async () => {
  const { database, project } = at;
  const services = await openServices(readConfig({ DATABASE_URL: database.url }, project.root), { loads: 3 });
  await ensureSchema(services);
  const boss = await openQueue(services, { supervise: false });
  const prepared = prepareJob(await loadJob(project.root, 'jobs/numbers.ts'), {});
  const { run: id } = await enqueue(services, boss, prepared, { force: false, signal: new AbortController().signal });
  const run = { ...(await findRun(services.db, id))!, rows_written: 1 };
  const settle = (client: Parameters<typeof settleTables>[0]) =>
    settleTables(client, prepared.targets, run, false, async () => undefined);
  let second: Promise<void> | undefined;
  await transaction(services.pool, async (client) => {
    await settle(client);
    second = transaction(services.pool, settle);
    second.catch(() => undefined);
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await vi.waitUntil(async () => (await database.pool.query(waiting)).rows.length > 0);
  });
  await second;
  const { rows } = await database.pool.query(
    `select relname from pg_class where relkind = 'r' and relname like 'numbers%' order by 1`,
  );
  expect(rows).toEqual([{ relname: 'numbers$$' }, { relname: `numbers$$__before_${id}` }]);
  await services.closers.close();
});
