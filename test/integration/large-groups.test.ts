import { expect, test } from 'vitest';
import { Duck } from '../../src/duckdb/instance.ts';
import { scan } from '../../src/duckdb/scan.ts';
import { files } from '../../src/index.ts';
import { ROW } from '../../src/model/source.ts';
import { compareRelations } from '../helpers/compare.ts';
import { writeParquet } from '../helpers/duck.ts';
import { useDrayage, type Workshop } from '../helpers/in-process.ts';
import { openContext, openRelation, plansOf } from '../helpers/read-source.ts';

/** A row is 2 kB of text in four columns, so that a row group takes 33 MB when it is unpacked. */
const GROUP_ROWS = 16_384;
const ROWS = 5 * GROUP_ROWS + 100;
/** One row group fits into it, and two do not. */
const MEMORY_MB = 64;
/** Its note is too long; it lies in the last row group but one. */
const BAD = 4 * GROUP_ROWS + 7;

let shop: Workshop;
const file = () => `${shop.project.root}/texts.parquet`;

const duck = useDrayage(async (opened) => {
  shop = opened;
  const texts = ['a', 'b', 'c', 'd'].map((name) => `repeat(md5('${name}' || i), 16)[:500] as ${name}`).join(', ');
  const note = `if(i = ${BAD}, 'far too long', 'note') as note`;
  await writeParquet(duck, `select i as id, ${texts}, ${note} from range(1, ${ROWS + 1}) t(i)`, file(), GROUP_ROWS);
  // The first row of the second partition has the key of the first row of the first one.
  const id = `if(i = ${3 * GROUP_ROWS + 1}, 1, i) as id`;
  const twice = `${shop.project.root}/twice.parquet`;
  await writeParquet(duck, `select ${id}, ${texts}, 'note' as note from range(1, ${ROWS + 1}) t(i)`, twice, GROUP_ROWS);
  await shop.project.write(
    'sql/targets/texts.sql',
    'create table texts (id bigint primary key, a text, b text, c text, d varchar(500), note varchar(4))',
  );
  for (const [name, mode] of [
    ['texts', 'append'],
    ['twice', 'upsert'],
  ]) {
    await shop.project.write(
      `jobs/${name}.ts`,
      `import { defineJob, files, table } from 'drayage';
       export default defineJob({
         name: '${name}', description: 'Texts', source: () => files('${name}.parquet', { partitionRows: ${3 * GROUP_ROWS} }),
         targets: { texts: table({ ddl: 'texts.sql', mode: '${mode}', key: ['id'] }) },
       });`,
    );
  }
});

test('row groups of which DuckDB has room for one are read one after the other, and two at once are not', async () => {
  const { context, close } = await openContext(shop.project.root);
  const small = new Duck({ memoryMb: MEMORY_MB, threads: 1, spillDirectory: '' });
  const source = files('texts.parquet', { partitionRows: 2 * ROWS });
  const [plan] = await plansOf(source, context);
  const opened = await openRelation(source, plan!, context);
  /** How many rows come in their order. */
  const read = (parts?: { sql: string; rows: number }[]) =>
    small.useInTurn(0, async (connection) => {
      let seen = 0;
      for await (const batch of scan(connection, opened.relation, { rows: opened.rows, parts })) {
        const numbers = batch.getChild(ROW)!;
        for (let row = 0; row < batch.numRows; row++) if (Number(numbers.get(row)) === seen + 1) seen++;
      }
      return seen;
    });
  expect(opened.parts!.map(({ rows }) => rows)).toEqual([...Array(5).fill(GROUP_ROWS), 100]);
  await expect(read()).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
  expect(await read(opened.parts!.map(({ relation, rows }) => ({ sql: relation, rows })))).toBe(ROWS);
  await opened.close();
  await small.close();
  await close();
});

test('partitions that take turns with every row group load each row once, and name a bad one by its number', async () => {
  const report = await shop.drayage.run('texts', {});
  expect(report.rows).toMatchObject({ read: ROWS, written: ROWS - 1, rejected: 1 });
  expect(report.partitions.total).toBe(2);
  const { pool } = shop.database;
  const rejects = await pool.query('select row_number::int as row, column_name as column from drayage.rejects');
  expect(rejects.rows).toEqual([{ row: BAD, column: 'note' }]);
  const compared = await compareRelations(duck, `select * from '${file()}' where id <> ${BAD}`, pool, 'texts');
  expect(compared.table).toEqual(compared.source);
});

test('one whose turn it is waits for a row of the other, and neither waits for ever', async () => {
  const { pool } = shop.database;
  await pool.query('truncate texts');
  const report = await shop.drayage.run('twice', {});
  expect(report.rows).toMatchObject({ read: ROWS, rejected: 0 });
  const { rows } = await pool.query('select count(*)::int as n, count(distinct id)::int as ids from texts');
  expect(rows).toEqual([{ n: ROWS - 1, ids: ROWS - 1 }]);
});
