import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describe, scan, schemaOf } from '../../src/duckdb/scan.ts';
import { type TargetOptions, table } from '../../src/model/target.ts';
import { requireTable } from '../../src/postgres/catalog.ts';
import { Checksum } from '../../src/postgres/checksum.ts';
import { BatchEncoder } from '../../src/postgres/encode/batch.ts';
import { arrange } from '../../src/sinks/arrange.ts';
import { mapColumns } from '../../src/sinks/mapping.ts';
import { createDuck } from '../helpers/duck.ts';

/** The real extension, in a Postgres that runs in this process. */
const lite = new PGlite({ extensions: { vector } });
const duck = createDuck();

beforeAll(() => lite.exec('create extension vector'), 60_000);
afterAll(async () => {
  await lite.close();
  await duck.close();
});

/** Loads the result of a DuckDB query by binary COPY. @returns the reasons of rejects */
async function load(into: string, query: string, options: TargetOptions = {}): Promise<string[]> {
  const target = table(options);
  const found = await requireTable(
    { query: (sql: string, values: unknown[]) => lite.query(sql, values) } as never,
    into,
  );
  return duck.use(async (connection) => {
    const { select } = arrange(await describe(connection, query), found, target, []);
    const read = `select ${select.map(({ name, expression }) => `${expression} as "${name}"`)} from (${query})`;
    const columns = mapColumns(await schemaOf(connection, read), found, target);
    const encoder = new BatchEncoder(columns);
    const images: Uint8Array[] = [Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')];
    const reasons: string[] = [];
    for await (const batch of scan(connection, read)) {
      const { faults } = encoder.check(batch);
      reasons.push(...faults.map(({ reason }) => reason));
      let from = 0;
      for (const to of [...faults.map(({ row }) => row), batch.numRows]) {
        for (const piece of encoder.cut(batch, from, to)) {
          const image = new Uint8Array(piece.bytes);
          encoder.encode(batch, piece, image, new Checksum());
          images.push(image);
        }
        from = to + 1;
      }
    }
    images.push(Uint8Array.of(0xff, 0xff));
    const list = columns.map(({ name }) => `"${name}"`);
    await lite.query(`copy ${into} (${list}) from '/dev/blob' (format binary)`, [], {
      blob: new Blob(images as Uint8Array<ArrayBuffer>[]),
    });
    return reasons;
  });
}

const select = async (query: string) => (await lite.query<Record<string, unknown>>(query)).rows;

test('vectors come from arrays, lists and JSON; halves and singles round by permission', async () => {
  await lite.exec('create table kinds (id int, a vector(3), b vector, c vector(2), d halfvec(3), e vector(2))');
  const query = `select 1 as id, [1.5, -2, 0.1]::float[3] as a, [0.25]::float[] as b, '[0.1, 3e2]' as c,
    [0.1, 65504, -0.5]::float[3] as d, [0.1, 1e-3]::double[] as e`;
  expect(await load('kinds', query, { allow: { d: 'round', e: 'round' } })).toEqual([]);
  await lite.exec(
    `insert into kinds values (2, '[1.5,-2,0.1]', '[0.25]', '[0.1,300]', '[0.1,65504,-0.5]', '[0.1,0.001]')`,
  );
  const [ours, theirs] = await select('select a::text, b::text, c::text, d::text, e::text from kinds order by id');
  expect(ours).toEqual(theirs);
  await expect(load('kinds', `select 1 as id, [0.1]::double[] as b`)).rejects.toThrow(/without loss/);
});

test('what is no vector of the column is a reject', async () => {
  await lite.exec('create table strict (v vector(2), h halfvec(1))');
  const rows = [
    `([1, 2]::float[], '[1]')`,
    `([1]::float[], '[1]')`,
    `([1, null]::float[], '[1]')`,
    `([1, 'nan'::float]::float[], '[1]')`,
    `([]::float[], '[1]')`,
    `([1, 2]::float[], '[1e9]')`,
    `([1, 2]::float[], 'one')`,
    '(null, null)',
  ];
  const reasons = await load('strict', `select * from (values ${rows}) t(v, h)`);
  expect(reasons).toEqual([
    ...['array_shape', 'out_of_range', 'out_of_range', 'array_shape', 'out_of_range', 'not_a_vector'],
  ]);
  expect(await select('select count(*)::int as n from strict')).toEqual([{ n: 2 }]);
});

test('the nearest neighbours by an HNSW index are those by arithmetic', async () => {
  await lite.exec('create table reports (id int, embedding vector(8))');
  const numbers = Array.from({ length: 8 }, (_, place) => `(hash(i, ${place}) % 2001)::float / 1000 - 1`);
  await load('reports', `select i::int as id, [${numbers}]::float[8] as embedding from range(300) t(i)`);
  await lite.exec('create index on reports using hnsw (embedding vector_cosine_ops)');
  const all = await select('select id, embedding::text as text from reports order by id');
  const vectors = all.map(({ text }) => JSON.parse(String(text)) as number[]);
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, place) => sum + value * b[place]!, 0);
  const wanted = vectors[7]!;
  const distance = (one: number[]) => 1 - dot(one, wanted) / Math.sqrt(dot(one, one) * dot(wanted, wanted));
  const nearest = vectors.map((one, id) => ({ id, distance: distance(one) })).sort((a, b) => a.distance - b.distance);
  await lite.exec('set enable_seqscan = off; set hnsw.ef_search = 200');
  const found = await select(`select id from reports order by embedding <=> '${JSON.stringify(wanted)}' limit 5`);
  expect(found.map(({ id }) => id)).toEqual(nearest.slice(0, 5).map(({ id }) => id));
});
