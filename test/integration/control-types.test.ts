import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '../../src/postgres/migrate.ts';
import { controlTypes } from '../helpers/control-types.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';

const SQL = join(import.meta.dirname, '../../sql');
let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

test('the types of the control schema are those of its tables', async () => {
  expect((await migrate(database.pool, SQL)).length).toBeGreaterThan(0);
  expect(await migrate(database.pool, SQL)).toEqual([]);
  await expect(await controlTypes(database.pool)).toMatchFileSnapshot('../../src/control/schema.ts');
});

test('a migration that was changed after it was applied is refused', async () => {
  await migrate(database.pool, SQL);
  await database.pool.query(`update drayage.migrations set checksum = 'other' where name = '0001_control.sql'`);
  await expect(migrate(database.pool, SQL)).rejects.toThrow(/0001_control\.sql was changed/);
});
