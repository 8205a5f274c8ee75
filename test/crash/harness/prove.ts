import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scenario } from '../scenarios/scenario.ts';
import { Random } from './random.ts';
import { type Place, World } from './world.ts';

const ACCOUNTS = join(tmpdir(), 'drayage-proofs');

/** What is asked of the database when something does not hold. */
const ASKED = {
  runs: 'select * from drayage.runs',
  'partitions that are not done': `select * from drayage.partitions where state <> 'done'`,
  workers: 'select pid, state, seen_at from drayage.workers',
  'jobs that are not done': `select id, name, state, retry_count, start_after, heartbeat_on, heartbeat_seconds, output, data
    from pgboss.job where state <> 'completed'`,
  connections: `select pid, application_name, state, wait_event, pg_blocking_pids(pid) as blocked_by, xact_start, left(query, 200) as query
    from pg_stat_activity where datname = current_database()`,
};

/**
 * Does one run of a scenario in a world of its own.
 * @returns the faults that were injected
 * @throws what did not hold, with the seed and the file that tells what was done and said
 */
export async function prove({ name, prove }: Scenario, place: Place, seed: number): Promise<string[]> {
  const world = await World.open(place, new Random(seed));
  try {
    await prove(world);
    return world.faults;
  } catch (cause) {
    const account = await giveAccount(world, `${name}-${seed}`, cause);
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${name} with seed ${seed}: ${message}\nWhat was done and said: ${account}`, { cause });
  } finally {
    await world.close();
  }
}

/** Writes down what is known about a failure. @returns the file */
async function giveAccount(world: World, name: string, cause: unknown): Promise<string> {
  const asked = Object.entries(ASKED).map(async ([what, query]) => {
    const rows = await world.query(query).catch((error) => [String(error)]);
    return `${what}\n${rows.map((row) => JSON.stringify(row)).join('\n')}`;
  });
  const file = join(ACCOUNTS, `${name}.log`);
  await mkdir(ACCOUNTS, { recursive: true });
  const error = cause instanceof Error ? cause.stack : String(cause);
  await writeFile(file, [error, ...world.said, ...(await Promise.all(asked))].join('\n'));
  return file;
}
