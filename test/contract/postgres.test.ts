import type { ColumnedSource } from '../../src/model/source.ts';
import { postgres } from '../../src/sources/postgres/index.ts';
import type { PostgresOptions } from '../../src/sources/postgres/options.ts';
import { together } from '../../src/sources/together.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { type Sample, samples } from '../helpers/formats.ts';
import { keepsContract } from './suite.ts';

const READ_AS_IS = 'rows are read as they are then; what tells them apart is looked at by the next plan';

interface Shape {
  title: string;
  options: (table: string) => PostgresOptions;
  /** What is made of the source. */
  as?: (source: ColumnedSource) => ColumnedSource;
  cannot: Parameters<typeof keepsContract>[0]['cannot'];
  touched?: number;
}

const BY_KEY = {
  options: (table: string) => ({ table, partitionRows: 10 }),
  cannot: { changed: READ_AS_IS },
};

const SHAPES: readonly Shape[] = [
  { title: 'Postgres tables by ranges of a key', ...BY_KEY },
  { title: 'sources together', ...BY_KEY, as: (source) => together({ items: source }) },
  {
    title: 'Postgres tables by where rows lie',
    options: (table) => ({ table, by: 'ctid', partitionBytes: 8192 }),
    cannot: {},
    touched: 2,
  },
];

for (const { title, options, cannot, touched, as = (same: ColumnedSource) => same } of SHAPES) {
  let database: TestDatabase;
  const sql = (text: string, values: unknown[] = []) => database.pool.query(text, values);
  const source = (table: string, more: object = {}) => as(postgres({ ...options(table), ...more }));
  const insert = (table: string, items: readonly Sample[]) =>
    sql(
      `insert into ${table} select * from unnest($1::int[], $2::text[], array_fill(repeat('x', 650), array[$3::int]))`,
      [items.map(({ id }) => id), items.map(({ name }) => name), items.length],
    );
  keepsContract({
    title,
    start: async () => {
      database = await createDatabase();
      return { '': database.url };
    },
    stop: () => database.drop(),
    source,
    // Ten rows a page.
    lay: async (table, items) => {
      await sql(`create table ${table} (id int primary key, name text, pad text) with (autovacuum_enabled = off)`);
      await insert(table, items);
    },
    change: async (table, { id, name }) => void (await sql(`update ${table} set name = $2 where id = $1`, [id, name])),
    remove: async (table) => void (await sql(`drop table ${table}`)),
    forbidden: async (_, context, read) => {
      const url = new URL(database.url);
      await sql(`create role outsider login password 'outsider'`);
      [url.username, url.password] = ['outsider', 'outsider'];
      try {
        return await read({ ...context, databaseUrl: () => url.href });
      } finally {
        await sql('drop role outsider');
      }
    },
    large: async (table) => {
      await sql(`create table ${table} (id int primary key, name text, pad text)`);
      await insert(table, samples(5000));
      return {
        source: source(table, { partitionRows: 1000, partitionBytes: 1_000_000 }),
        items: 5000,
        partitions: 4,
      };
    },
    cannot: cannot ?? {},
    ...(touched === undefined ? {} : { touched }),
    left: async () => {
      const { rows } = await sql(
        `select count(*)::int from pg_stat_activity where datname = current_database() and application_name = 'dray source'`,
      );
      return rows[0].count;
    },
  });
}
