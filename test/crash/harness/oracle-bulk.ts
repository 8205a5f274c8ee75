import assert from 'node:assert/strict';
import { checksumOfQuery } from '../../helpers/table-checksum.ts';
import { bulkRows } from './bulk.ts';
import { assertBooks, assertReleased, sumOf } from './oracle.ts';
import type { World } from './world.ts';

const inTable = (world: World) => world.withClient((client) => checksumOfQuery(client, 'select id, note from bulk'));

/**
 * The run has ended with the large partitions failed, which say why; all small ones are in the table, and nothing else.
 * @param failed what each of the large ones must say
 */
export async function assertLargeFailed(
  world: World,
  run: number,
  { code, says }: { code: string; says: RegExp },
): Promise<void> {
  const failed = await world.query<{ key: string; error_code: string; error: string }>(
    `select key, error_code, error from drayage.partitions where run_id = $1 and state <> 'done' order by key`,
    [run],
  );
  assert.equal(failed.length, 2, `${failed.map(({ key }) => key)} are not done`);
  for (const { key, error_code, error } of failed) {
    assert.match(key, /large-\d/);
    assert.equal(error_code, code, error);
    assert.match(error, says);
  }
  assert.deepEqual(await inTable(world), await sumOf(world, bulkRows('small')));
}

/** What has failed loads when there is enough. @param env of two more workers */
export async function assertRestLoads(world: World, run: number, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const { code, stderr } = await world.dray('retry', String(run), '--failed');
  assert.equal(code, 0, stderr);
  await world.setLeases();
  await world.startWorkers(2, env);
  await world.untilEnded(run);
  await assertAllLoaded(world, run);
}

/** Stops the workers. */
export async function assertAllLoaded(world: World, run: number): Promise<void> {
  await world.stopWorkers();
  assert.deepEqual(await inTable(world), await sumOf(world, bulkRows('all')));
  const [state] = await world.query('select state from drayage.runs where id = $1', [run]);
  assert.deepEqual(state, { state: 'succeeded' });
  await assertBooks(world, run);
  await assertReleased(world);
}
