import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import duckdb from '@duckdb/node-bindings';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { liveFiles } from '../../src/model/manifest.ts';
import { writeParquet } from '../helpers/duck.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { manifests } from '../helpers/lake-files.ts';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

/** What a job has put into a lake, read by others: plain DuckDB by its folders, and a reader written in JavaScript. */
let { project, database }: Partial<Workspace> = {};
const duck = useWorkspace((opened) => {
  ({ project, database } = opened);
});
const ROWS = 10_000;

beforeAll(async () => {
  const columns = `i::bigint as id, (i % 100)::smallint as small, i / 8 as ratio, (i * 1.25)::decimal(12,2) as amount,
    if(i % 10 = 0, null, 'text ' || i) as note, 'Zoë 荷物' as wide, i % 2 = 0 as even, date '2026-01-01' + (i % 3)::int as day_of,
    timestamptz '2026-01-01 00:00:00+00' + to_hours((i % 72)::int) as opened_at, [i, i + 1] as list, {'a': i, 'b': 'x'} as pair,
    uuid '00000000-0000-0000-0000-000000000001' as token`;
  await writeParquet(duck, `select ${columns} from range(${ROWS}) t(i)`, join(project!.root, 'rows.parquet'));
  await project!.write(
    'jobs/others.ts',
    `import { defineJob, files, lake } from 'drayage';
export default defineJob({ name: 'others', description: 'Test', source: () => files('rows.parquet'),
  targets: { ticket: lake({ root: 'lake', date: 'opened_at', sort: ['id'] }) } });`,
  );
  const drayage = await openDrayage(project!.root, database!.url);
  expect(await drayage.run('others', {})).toMatchObject({ state: 'succeeded', rows: { written: ROWS } });
  await drayage.close();
});

let connection: duckdb.Connection;
beforeAll(async () => {
  connection = await duckdb.connect(await duckdb.open(':memory:'));
});
afterAll(() => duckdb.disconnect_sync(connection));

test('plain DuckDB reads the folders as Hive partitions, and finds the rows that went in', async () => {
  const lake = `read_parquet('${project!.root}/lake/ticket/**/*.parquet', hive_partitioning = true)`;
  const source = `read_parquet('${project!.root}/rows.parquet')`;
  const count = async (sql: string) => {
    const chunk = await duckdb.fetch_chunk(await duckdb.query(connection, `select (${sql})::bigint`));
    const bytes = duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk!, 0), 8);
    return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true));
  };
  const columns = `select * exclude (year, month, day) from ${lake}`;
  expect(await count(`select count(*) from (${columns} except all select * from ${source})`)).toBe(0);
  expect(await count(`select count(*) from (select * from ${source} except all ${columns})`)).toBe(0);
  expect(await count(`select count(*) from ${lake} where year::int = 2026 and month::int = 1 and day::int = 2`)).toBe(
    await count(
      `select count(*) from ${source} where opened_at >= '2026-01-02 00:00:00+00' and opened_at < '2026-01-03 00:00:00+00'`,
    ),
  );
});

test('a reader that shares no code with DuckDB reads every column', async () => {
  const files = liveFiles(await manifests(join(project!.root, 'lake')));
  expect(files).toHaveLength(3);
  let read = 0;
  for (const { path, rows, columns } of files) {
    const content = await readFile(join(project!.root, 'lake', path));
    const file = content.buffer.slice(content.byteOffset, content.byteOffset + content.length) as ArrayBuffer;
    const metadata = parquetMetadata(file);
    expect(Number(metadata.num_rows)).toBe(rows);
    expect(metadata.row_groups[0]!.columns[0]!.meta_data!.codec).toBe('SNAPPY');
    const found = await parquetReadObjects({ file });
    read += found.length;
    expect(Object.keys(found[0]!)).toEqual(columns.map(({ name }) => name));
    for (const row of found) {
      const i = Number(row.id);
      expect(row).toMatchObject({
        ...{
          small: i % 100,
          ratio: i / 8,
          amount: i * 1.25,
          note: i % 10 === 0 ? null : `text ${i}`,
          wide: 'Zoë 荷物',
        },
        ...{ even: i % 2 === 0, list: [BigInt(i), BigInt(i + 1)], pair: { a: BigInt(i), b: 'x' } },
      });
      expect((row.opened_at as Date).getTime()).toBe(Date.UTC(2026, 0, 1, i % 72));
      expect((row.day_of as Date).getTime()).toBe(Date.UTC(2026, 0, 1 + (i % 3)));
    }
  }
  expect(read).toBe(ROWS);
});
