import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { DrayageError } from '../../src/base/errors.ts';
import type { SourceContext } from '../../src/model/source.ts';
import { RunKeeper } from '../../src/runs/keeper.ts';
import { postgres } from '../../src/sources/postgres/index.ts';
import { together } from '../../src/sources/together.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { openDrayage } from '../helpers/in-process.ts';
import type { TestProject } from '../helpers/project.ts';
import { openContext, plansOf, readPlan } from '../helpers/read-source.ts';
import { useWorkspace } from '../helpers/workspace.ts';

/** Partitions of a table that is written to while they are read. */
let database: TestDatabase;
let project: TestProject;
let drayage: Awaited<ReturnType<typeof openDrayage>>;
let opened: Awaited<ReturnType<typeof openContext>>;
let context: SourceContext;
let keeper: RunKeeper;

useWorkspace(async (at) => {
  ({ database, project } = at);
  drayage = await openDrayage(project.root, database.url);
  opened = await openContext(project.root, 1e9, { '': database.url });
  const job = (name: string, more = '', targets = '') =>
    project.write(
      `jobs/${name}.ts`,
      `import { defineJob, postgres, table } from 'drayage';
       export default defineJob({ name: '${name}', description: 'Test',
         source: () => postgres({ table: 'accounts', partitionRows: 100${more} }),
         targets: { ${name}: table({ createTable: 'infer', mode: 'replace'${targets} }) } });`,
    );
  await job('copied');
  await job('each', `, snapshot: 'partition'`);
  await job('indexed', '', `, after: 'indexed.sql'`);
  await project.write(
    'sql/targets/indexed.sql',
    'create index concurrently if not exists indexed_amount on indexed (amount)',
  );
});
beforeEach(async () => {
  keeper = new RunKeeper();
  context = { ...opened.context, keeper };
  await sql(`drop table if exists accounts; create table accounts (id int primary key, amount int not null);
    insert into accounts select i, 10 from generate_series(1, 300) i`);
  return () => keeper.close();
});
afterAll(async () => {
  await drayage?.close();
  await opened?.close();
});

const sql = async (text: string) => (await database.pool.query(text)).rows;
/** A hundred from the last account to the first, one account less, and one more. */
const write = () =>
  sql(`update accounts set amount = amount + case id when 1 then 100 else -100 end where id in (1, 300);
    delete from accounts where id = 150; insert into accounts values (301, 77)`);
const source = postgres({ table: 'accounts', partitionRows: 100 });
const sumOf = (rows: readonly Record<string, unknown>[]) => rows.reduce((sum, { amount }) => sum + Number(amount), 0);
const snapshots = async () =>
  (await sql(`select from pg_stat_activity where datname = current_database() and application_name = 'dray snapshot'`))
    .length;
const noteOf = async (run: number) =>
  (
    await sql(
      `select detail ->> 'snapshot' as snapshot from drayage.events where run_id = ${run} and action = 'enqueued'`,
    )
  )[0]!.snapshot;

async function readWhileWritten(within: SourceContext) {
  const [first, ...others] = await plansOf(source, within);
  const rows = (await readPlan(source, first!, opened.context)).rows;
  await write();
  for (const plan of others) rows.push(...(await readPlan(source, plan, opened.context)).rows);
  return rows;
}

describe('what is written between two partitions', () => {
  test('is in none of them when somebody keeps the snapshot of the plan', async () => {
    const rows = await readWhileWritten(context);
    expect([rows.length, sumOf(rows)]).toEqual([300, 3000]);
    expect(await snapshots()).toBe(1);
    await keeper.close();
    await expect.poll(snapshots).toBe(0);
  });

  test('is in some of them otherwise, and when each is to see its own moment', async () => {
    expect(sumOf(await readWhileWritten(opened.context))).not.toBe(3000);
    const each = postgres({ table: 'accounts', partitionRows: 100, snapshot: 'partition' });
    expect((await plansOf(each, context)).map(({ spec }) => spec.snapshot)).toEqual([undefined, undefined, undefined]);
    expect(await snapshots()).toBe(0);
  });

  test('is in none of several sources of the same database, which share one', async () => {
    const both = together({
      rows: source,
      sums: postgres({ query: 'select sum(amount)::int as amount from accounts' }),
    });
    const plans = await plansOf(both, context);
    const rows = (await readPlan(both, plans[0]!, opened.context)).rows;
    await write();
    for (const plan of plans.slice(1)) rows.push(...(await readPlan(both, plan, opened.context)).rows);
    expect(sumOf(rows.filter(({ origin }) => origin === 'rows'))).toBe(3000);
    expect(rows.at(-1)).toMatchObject({ origin: 'sums', amount: 3000 });
    expect(await snapshots()).toBe(1);
  });
});

test('a table whose snapshot is kept can be neither altered nor truncated, and then it can', async () => {
  await plansOf(source, context);
  const client = await database.pool.connect();
  for (const statement of ['truncate accounts', 'alter table accounts add more text']) {
    await client.query(`begin; set local lock_timeout = '50ms'`);
    await expect(client.query(statement)).rejects.toThrow(/lock timeout/);
    await client.query('rollback');
  }
  client.release();
  await keeper.close();
  await expect.poll(snapshots).toBe(0);
  await sql('truncate accounts');
});

test('a plan that is cancelled keeps nothing', async () => {
  const cancelled = { ...context, signal: AbortSignal.abort(new DrayageError('INTERRUPTED', 'Stopped by a test')) };
  await expect(plansOf(source, cancelled)).rejects.toMatchObject({ code: 'INTERRUPTED' });
  await keeper.close();
  await expect.poll(snapshots).toBe(0);
});

describe('a run', () => {
  test('loads the rows of its plan while its producer stays, and says so', async () => {
    const report = await drayage.run('copied', {}, true, write, keeper);
    expect(report).toMatchObject({ state: 'succeeded', partitions: { done: 3 }, rows: { written: 300 }, warnings: [] });
    expect(await sql('select sum(amount)::int as sum from copied')).toEqual([{ sum: 3000 }]);
    expect(await noteOf(report.run)).toBe('run');
  });

  test.each([
    ['has gone', () => keeper.close()],
    [
      'has lost its connection',
      () => sql(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dray snapshot'`),
    ],
  ])('whose producer %s reads each partition at its own moment, and says so for each', async (_, lose) => {
    const between = async () => {
      await write();
      await lose();
      await expect.poll(snapshots).toBe(0);
    };
    const report = await drayage.run('copied', {}, true, between, keeper);
    expect(report).toMatchObject({ state: 'succeeded', rows: { written: 300 } });
    expect(await sql('select sum(amount)::int as sum, max(id) as last from copied')).toEqual([
      { sum: 3067, last: 301 },
    ]);
    expect(report.warnings).toHaveLength(3);
    for (const { partition, row, message } of report.warnings) {
      expect([partition, row]).toEqual([expect.stringMatching(/^accounts#/), null]);
      expect(message).toMatch(/read at a moment of its own, since the snapshot of its run is gone: /);
    }
  });

  test('without such a producer is noted as one whose partitions have a moment each', async () => {
    for (const name of ['copied', 'each']) {
      const report = await drayage.run(name, {}, true, undefined, name === 'each' ? keeper : undefined);
      expect(report).toMatchObject({ state: 'succeeded', warnings: [] });
      expect(await noteOf(report.run)).toBe('partition');
    }
  });

  test('of dray run ends its snapshot before indexes are built, which would wait for it', async () => {
    const finished = await project.dray(['run', 'indexed', '--json']);
    expect(JSON.parse(finished.stdout)).toMatchObject({ state: 'succeeded', rows: { written: 300 } });
    expect(await noteOf(JSON.parse(finished.stdout).run)).toBe('run');
    expect(await sql(`select from pg_indexes where indexname = 'indexed_amount'`)).toHaveLength(1);
    expect(await snapshots()).toBe(0);
  });

  test('is told beforehand what its partitions see', async () => {
    expect((await project.dray(['plan', 'copied'])).stdout).toMatch(/"dray run" reads them all at one moment/);
    expect((await project.dray(['plan', 'each'])).stdout).toMatch(/Each is read at a moment of its own/);
    const enqueued = await project.dray(['enqueue', 'copied', '--force']);
    expect(enqueued.stdout).toMatch(
      /3 partitions enqueued, of 3\. Each partition sees the moment at which it is read\./,
    );
  });
});
