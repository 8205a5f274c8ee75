import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rows } from '../../src/duckdb/scan.ts';
import { ROW } from '../../src/model/source.ts';
import { postgres } from '../../src/sources/postgres/index.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { backTable, COMPARED, OUT_TYPES, OUT_TYPES_NEEDED, outTable } from '../helpers/out-types.ts';
import { TestProject } from '../helpers/project.ts';
import { openContext, openRelation, plansOf } from '../helpers/read-source.ts';
import { checksumOfQuery } from '../helpers/table-checksum.ts';

let database: TestDatabase;
let project: TestProject;
let opened: Awaited<ReturnType<typeof openContext>>;
let drayage: Awaited<ReturnType<typeof openDrayage>>;

beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  opened = await openContext(project.root, 1e9, { '': database.url });
  await database.pool.query(OUT_TYPES_NEEDED);
  for (const statement of outTable('everything')) await database.pool.query(statement);
  drayage = await openDrayage(project.root, database.url);
});
afterAll(async () => {
  await drayage.close();
  await opened.close();
  await project.remove();
  await database.drop();
});

async function assertEqual(table: string) {
  const client = await database.pool.connect();
  try {
    await client.query(`set timezone = 'UTC'; set intervalstyle = 'postgres'`);
    for (const [index, column] of COMPARED.entries()) {
      const [from, to] = await Promise.all(
        ['everything', table].map((name) => client.query(`select (${column})::text as c from ${name} order by id`)),
      );
      expect({ type: OUT_TYPES[index - 1]?.type, values: to!.rows }).toEqual({
        type: OUT_TYPES[index - 1]?.type,
        values: from!.rows,
      });
    }
    const list = COMPARED.join(', ');
    const sums = [];
    for (const name of ['everything', table]) sums.push(await checksumOfQuery(client, `select ${list} from ${name}`));
    expect(sums[1]).toEqual(sums[0]);
  } finally {
    client.release(true);
  }
}

const job = (name: string, source: string) =>
  project.write(
    `jobs/${name}.ts`,
    `import { defineJob, files, postgres, table } from 'drayage';
export default defineJob({ name: '${name}', description: 'Copies', source: () => ${source}, targets: { ${name}: table() } });`,
  );

test('a table of all types comes out of Postgres and back the same to the last bit', async () => {
  await database.pool.query(backTable('direct'));
  await job('direct', `postgres({ table: 'everything' })`);
  expect(await drayage.run('direct', {}, false)).toMatchObject({ state: 'succeeded', rows: { rejected: 0 } });
  await assertEqual('direct');
});

test('and so it does by way of a Parquet file', async () => {
  const source = postgres({ table: 'everything' });
  const [plan] = await plansOf(source, opened.context);
  const partition = await openRelation(source, plan!, opened.context);
  const folder = await mkdtemp(join(tmpdir(), 'drayage-types-'));
  await opened.context.duck.use(async (connection) => {
    await partition.prepare?.(partition.relation, connection);
    const file = join(folder, 'everything.parquet');
    await rows(
      connection,
      `copy (select * exclude ("${ROW}") from (${partition.relation})) to '${file}' (format parquet)`,
    );
  });
  await partition.close();
  await database.pool.query(backTable('through'));
  await job('through', `files('${folder}/everything.parquet')`);
  expect(await drayage.run('through', {}, false)).toMatchObject({ state: 'succeeded', rows: { rejected: 0 } });
  await assertEqual('through');
  await rm(folder, { recursive: true });
});
