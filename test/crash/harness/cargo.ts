import type { ClientBase } from 'pg';
import { createDuck, writeParquet } from '../../helpers/duck.ts';
import { TestProject } from '../../helpers/project.ts';
import { defineBulkJobs } from './bulk.ts';
import { defineManyJob } from './many.ts';

/** What is hauled in every proof: a project with one job per write mode, and the files that they read. */

export type Mode = 'append' | 'upsert' | 'replace' | 'merge';
export const MODES: readonly Mode[] = ['append', 'upsert', 'replace', 'merge'];

const FILES = 4;
/** Rows of the files; those for the modes with a key are fewer, since these take longer. */
export const ROWS = { append: 240_000, keyed: 120_000 } as const;
const PARTITIONS_PER_FILE = 5;

export const rowsOf = (mode: Mode) => (mode === 'append' ? ROWS.append : ROWS.keyed);

/** Rows that the table refuses: one kind is seen by the encoder, the other one by the server alone. */
const NAMELESS = 'i % 9973 = 0';
const NEGATIVE = 'i % 50021 = 7';

const COLUMNS = 'id, quantity, price, name';
const DDL = `(id bigint, quantity int check (quantity >= 0), price numeric(10,2), name text not null)`;
const KEYED_DDL = DDL.replace('id bigint', 'id bigint primary key');

const TARGETS: Record<Mode, string> = {
  append: `table({ ddl: 'orders.sql', after: 'orders.after.sql' })`,
  upsert: `table({ ddl: 'keyed.sql', mode: 'upsert', key: ['id'], after: 'orders.after.sql' })`,
  replace: `table({ ddl: 'keyed.sql', mode: 'replace', key: ['id'] })`,
  merge: `table({ ddl: 'keyed.sql', mode: 'merge', key: ['id'], complete: true })`,
};

/** Makes the project; the files of `append` have bad rows, those of the other modes have none. */
export async function makeProject(): Promise<TestProject> {
  const project = await TestProject.create();
  const duck = createDuck();
  for (const [folder, rows, dirty] of [
    ['append', ROWS.append, true],
    ['keyed', ROWS.keyed, false],
  ] as const) {
    const perFile = rows / FILES;
    await project.write(`data/${folder}/.keep`, '');
    for (let file = 0; file < FILES; file++) {
      const query = `select i as id, (${dirty ? `case when ${NEGATIVE} then -1 else i % 977 end` : 'i % 977'})::int as quantity,
        (i * 13 % 100000 / 100)::decimal(10,2) as price,
        ${dirty ? `case when ${NAMELESS} then null else 'a name that is long enough ' || i end` : `'a name that is long enough ' || i`} as name
        from range(${file * perFile}, ${(file + 1) * perFile}) t(i)`;
      const path = `${project.root}/data/${folder}/part-${file}.parquet`;
      await writeParquet(duck, query, path, perFile / PARTITIONS_PER_FILE);
    }
  }
  await duck.close();
  await project.write('sql/targets/orders.sql', `create table orders ${DDL}`);
  await project.write('sql/targets/keyed.sql', `create table orders ${KEYED_DDL}`);
  await project.write('sql/targets/orders.after.sql', 'create index concurrently orders_name on orders (name);');
  for (const mode of MODES) {
    const folder = mode === 'append' ? 'append' : 'keyed';
    const partitionRows = rowsOf(mode) / FILES / PARTITIONS_PER_FILE;
    await project.write(
      `jobs/${mode}.ts`,
      `import { defineJob, files, table } from 'drayage';
       export default defineJob({
         name: '${mode}', description: 'Orders', retries: 20,
         params: { path: { type: 'string', default: 'data/${folder}' } },
         source: ({ path }) => files(path, { partitionRows: ${partitionRows} }),
         targets: { orders: ${TARGETS[mode]} },
       });`,
    );
  }
  await defineBulkJobs(project);
  await defineManyJob(project);
  return project;
}

/** Rows that lie in the table before a run; some are as they were long ago, some are nowhere in the source. */
export async function layBefore(client: ClientBase, mode: Mode): Promise<void> {
  if (mode === 'append') return;
  await client.query(`create table orders ${KEYED_DDL}`);
  await client.query(
    `insert into orders select i, 1, 2, 'long ago' from generate_series(0, ${ROWS.keyed / 2}, 3) i
     union all select i, 3, 4, 'nowhere' from generate_series(${ROWS.keyed}, ${ROWS.keyed + 99}) i`,
  );
}

/** What a run sends, made by Postgres alone. */
export function sourceRows(mode: Mode): string {
  const good = mode === 'append' ? `where not (${NAMELESS}) and not (${NEGATIVE})` : '';
  return `select i::bigint as id, (i % 977)::int as quantity,
    trunc((i::bigint * 13 % 100000)::numeric / 100, 2)::numeric(10,2) as price,
    'a name that is long enough ' || i as name from generate_series(0, ${rowsOf(mode) - 1}) i ${good}`;
}

/** What the table has to hold when a run has succeeded. */
export function expectedRows(mode: Mode): string {
  if (mode !== 'upsert') return sourceRows(mode);
  return `${sourceRows(mode)} union all select i::bigint, 3, 4::numeric(10,2), 'nowhere'
    from generate_series(${ROWS.keyed}, ${ROWS.keyed + 99}) i`;
}

export const tableRows = `select ${COLUMNS} from orders`;
