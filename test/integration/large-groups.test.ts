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
  await shop.project.write(
    'sql/targets/texts.sql',
    'create table texts (id bigint primary key, a text, b text, c text, d varchar(500), note varchar(4))',
  );
  await shop.project.write(
    'jobs/texts.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'texts', description: 'Texts', source: () => files('texts.parquet', { partitionRows: ${3 * GROUP_ROWS} }),
       targets: { texts: table({ ddl: 'texts.sql' }) },
     });`,
  );
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
