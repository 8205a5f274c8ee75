import assert from 'node:assert/strict';
import { checksumOfQuery } from '../../helpers/table-checksum.ts';
import { expectedRows, type Mode, sourceRows, tableRows } from './cargo.ts';
import { until } from './until.ts';
import type { World } from './world.ts';

/** What must hold when a run has ended, whatever happened to it. */

/**
 * The table holds what the source says, bit for bit and each row once; the runs have ended well; all that Drayage keeps
 * about them agrees; and no process has left anything behind. Stops the workers.
 * @param runs one, or several that have shared the work
 * @param options.whole whether the run itself has sent all rows
 */
export async function assertExact(
  world: World,
  runs: number | readonly number[],
  mode: Mode,
  { whole = typeof runs === 'number' }: { whole?: boolean } = {},
): Promise<void> {
  await assertTable(world, mode);
  await world.stopWorkers();
  // Whoever was still alive may have written since.
  await assertTable(world, mode);
  const good = mode === 'append' ? ['completed_with_rejects', 'succeeded'] : ['succeeded'];
  for (const run of [runs].flat()) {
    const [ended] = await world.query<{ state: string; checksum: string }>(
      'select state, checksum from drayage.runs where id = $1',
      [run],
    );
    assert.ok(good.includes(ended!.state), `run ${run} is ${ended!.state}`);
    if (whole) assert.equal(ended!.checksum, (await sumOf(world, sourceRows(mode))).checksum);
    await assertBooks(world, run);
  }
  await assertReleased(world);
}

/** Checksum and count of the table against those of what Postgres itself makes up. */
export async function assertTable(world: World, mode: Mode): Promise<void> {
  const expected = await sumOf(world, expectedRows(mode));
  assert.deepEqual(await tableSum(world), expected, 'the table is not what the source is');
  const [counts] = await world.query('select count(*)::int as rows, count(distinct id)::int as ids from orders');
  assert.deepEqual(counts, { rows: expected.rows, ids: expected.rows });
}

type Sum = Awaited<ReturnType<typeof checksumOfQuery>>;
const sums = new Map<string, Sum>();

/** Of a query that makes the same rows in every world. */
export async function sumOf(world: World, query: string): Promise<Sum> {
  const sum = sums.get(query) ?? (await world.withClient((client) => checksumOfQuery(client, query)));
  sums.set(query, sum);
  return sum;
}

export const tableSum = (world: World): Promise<Sum> =>
  world.withClient((client) => checksumOfQuery(client, tableRows));

/** Every check is a query that finds what is wrong, and must find nothing. */
const BOOKS: Record<string, string> = {
  'a partition is not settled': `select key, state from drayage.partitions where run_id = $1 and state in ('pending', 'running')`,
  'the counters of the run are not those of its partitions': `
    select r.id from drayage.runs r, lateral (
      select count(*) as total, count(*) filter (where state = 'done') as done,
        count(*) filter (where state = 'skipped') as skipped, count(*) filter (where state = 'failed') as failed,
        coalesce(sum(rows_read), 0) as read, coalesce(sum(rows_written), 0) as written,
        coalesce(sum(rows_unchanged), 0) as unchanged, coalesce(sum(rows_rejected), 0) as rejected
      from drayage.partitions where run_id = r.id
    ) p where r.id = $1 and (r.partitions_total, r.partitions_done, r.partitions_skipped, r.partitions_failed,
      r.partitions_pending, r.partitions_running, r.rows_read, r.rows_written, r.rows_unchanged, r.rows_rejected)
      is distinct from (p.total, p.done, p.skipped, p.failed, 0, 0, p.read, p.written, p.unchanged, p.rejected)`,
  'rows were read that are nowhere': `
    select key from drayage.partitions where run_id = $1 and state = 'done'
      and (rows_read <> rows_written + rows_unchanged + rows_superseded + rows_rejected or rows_read <> rows_planned)`,
  'the rejects are not those that were counted': `
    select p.key from drayage.partitions p where p.run_id = $1 and p.rows_rejected <>
      (select count(*) from drayage.rejects r where r.partition_id = p.id)`,
  'a row was rejected twice': `
    select row_number from drayage.rejects where run_id = $1 group by partition_id, row_number, reason having count(*) > 1`,
  'an attempt has no entry in the history, or two of them are said to have succeeded': `
    select p.key, p.attempt, count(a.attempt) as entries from drayage.partitions p
    left join drayage.attempts a on a.partition_id = p.id where p.run_id = $1 group by p.id
    having count(a.attempt) <> p.attempt
      or count(*) filter (where a.outcome in ('done', 'skipped')) <> (p.attempt > 0 and p.state in ('done', 'skipped'))::int`,
  'the queue has something left to do': `
    select name, state, data from pgboss.job where (data ->> 'run')::bigint = $1 and state in ('created', 'retry', 'active')`,
};

/** What the ledger of tables has to say beside. */
const LEDGER: Record<string, string> = {
  'a loaded partition and its entry in the ledger differ': `
    select p.key from drayage.partitions p left join drayage.loads l on l.fingerprint = p.fingerprint and l.run_id = p.run_id
    where p.run_id = $1 and p.state = 'done' and (l.fingerprint is null
      or l.rows_written <> p.rows_written or l.checksum <> p.checksum)`,
  'the ledger has what no partition has loaded': `
    select l.partition_key from drayage.loads l where l.run_id = $1 and not exists (
      select from drayage.partitions p where p.run_id = $1 and p.fingerprint = l.fingerprint and p.state = 'done')`,
};

/** What Drayage keeps about the run agrees with itself, with the queue, and with the ledger of what it has filled. */
export async function assertBooks(world: Pick<World, 'query'>, run: number, ledger = LEDGER): Promise<void> {
  for (const [wrong, query] of Object.entries({ ...BOOKS, ...ledger }))
    assert.deepEqual(await world.query(query, [run]), [], wrong);
}

/** No connection, no lock and no file outlives the workers. */
export async function assertReleased(world: World): Promise<void> {
  await until('all connections are released', async () => {
    const left = await world.query(
      `select application_name, state, query from pg_stat_activity
       where datname = current_database() and application_name like 'dray%'`,
    );
    return left.length === 0;
  });
  const locks = await world.query(
    `select * from pg_locks l join pg_database d on d.oid = l.database
     where locktype = 'advisory' and d.datname = current_database()`,
  );
  assert.deepEqual(locks, [], 'an advisory lock is held by nobody');
}
