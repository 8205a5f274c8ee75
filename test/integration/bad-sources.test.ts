import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { DeleteTableCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type Anchor, pickled } from '../../jobs/samples/anchors.ts';
import { CONTAINERS } from '../../jobs/samples/containers.ts';
import { LOCAL_ENV, LocalDynamo } from '../../jobs/samples/dynalite.ts';
import type { RunReport } from '../../src/runs/report.ts';
import { s3Store } from '../../src/store/s3.ts';
import { assertBooks } from '../crash/harness/oracle.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { writeParquet } from '../helpers/duck.ts';
import { exportFiles } from '../helpers/dynamo-export.ts';
import { refusal, startProxy } from '../helpers/dynamo-proxy.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { S3_ENV, type S3Server, startS3 } from '../helpers/s3.ts';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

/**
 * Bad input of every kind of source through the real queue: what can be loaded is in the table, what cannot is a reject or
 * a partition that says why, and nothing is half done. Without the queue: what is wrong in each format,
 * files-bad-input.test.ts; folders without permission, links that lead out or in circles, run-directory.test.ts,
 * session-source.test.ts and files-bad-input.test.ts; more pickles, session-pickle.test.ts.
 */
const BUCKET = 'bad-sources';
const THROTTLED = 'ProvisionedThroughputExceededException';
let at: Workspace;
let drayage: Awaited<ReturnType<typeof openDrayage>>;
let s3: S3Server;
let dynamo: LocalDynamo;
let proxy: Awaited<ReturnType<typeof startProxy>>;
let refused: ((operation: string) => string | undefined) | undefined;

const duck = useWorkspace(async (workspace) => {
  at = workspace;
  Object.assign(process.env, S3_ENV, LOCAL_ENV);
  s3 = await startS3(BUCKET);
  dynamo = await LocalDynamo.start();
  proxy = await startProxy(dynamo.endpoint, (operation) => {
    const type = refused?.(operation);
    return type === undefined ? undefined : refusal(type);
  });
  drayage = await openDrayage(at.project.root, at.database.url, { OUTSIDER_URL: outsiderUrl(at.database) });
});
beforeEach(() => {
  refused = undefined;
  s3?.interfere(undefined);
});
afterAll(async () => {
  await drayage?.close();
  await s3?.stop();
  proxy?.server.closeAllConnections();
  proxy?.server.close();
  await dynamo?.close();
});

function outsiderUrl({ url }: TestDatabase): string {
  const other = new URL(url);
  [other.username, other.password] = ['bad_sources_outsider', 'outsider'];
  return other.href;
}

/** Writes a job without retries that loads `id` and `name` into a table of its name. */
async function job(name: string, source: string, transform = ''): Promise<void> {
  await at.database.pool.query(`create table "${name}" (id int primary key, name text)`);
  await at.project.write(
    `jobs/${name}.ts`,
    `import { defineJob, dynamodb, dynamodbExport, files, postgres, session, table } from 'drayage';
     export default defineJob({ name: '${name}', description: 'Test', retries: 0, source: () => ${source}, ${transform}
       targets: { '"${name}"': table({ mode: 'upsert', key: ['id'], ${transform && `columns: { id: 'int', name: 'text' }`} }) } });`,
  );
}

const records = (table: string) => `transform: (item, emit) => emit['${table}']({ id: item.id, name: item.name }),`;

/** What is left of a run: the table, its partitions, its rejects; after all that is known about it was found to agree. */
async function outcome(name: string, report: RunReport) {
  const { pool } = at.database;
  const ask = async (query: string, values: unknown[] = []) => (await pool.query(query, values)).rows;
  await assertBooks({ query: ask as never }, report.run);
  const partitions = await ask(
    `select key, state, error_code as code, error, rows_written as written from drayage.partitions where run_id = $1 order by key`,
    [report.run],
  );
  return {
    state: report.state,
    ids: (await ask(`select id from "${name}" order by id`)).map(({ id }) => id),
    partitions: partitions.map(({ key, state, code }) => [key, state, code]),
    errors: partitions.flatMap(({ error }) => (error === null ? [] : [error])),
    rejects: await ask(
      `select row_number::int as row, reason, raw from drayage.rejects where run_id = $1 order by partition_id, row_number`,
      [report.run],
    ),
    /** By partitions that have not loaded, and that is none. */
    halves: partitions.filter(({ state, written }) => state !== 'done' && Number(written) > 0),
  };
}

const NO_HALVES = { halves: [] };

describe('files', () => {
  test('a gzip file that is cut off fails alone, and nothing of it is loaded', async () => {
    const lines = (from: number) =>
      Array.from({ length: 3000 }, (_, n) => `{"id":${from + n},"name":"${Math.sin(n)}"}\n`);
    await at.project.write('cut/a.jsonl.gz', gzipSync(lines(0).join('')));
    await at.project.write('cut/b.jsonl.gz', gzipSync(lines(5000).join('')).subarray(0, 15_000));
    await job('cut-gzip', `files('cut', { columns: { id: 'INTEGER', name: 'VARCHAR' } })`);
    const found = await outcome('cut-gzip', await drayage.run('cut-gzip', {}));
    expect(found).toMatchObject({ state: 'failed', ...NO_HALVES, rejects: [] });
    expect(found.ids).toEqual(Array.from({ length: 3000 }, (_, n) => n));
    expect(found.partitions).toEqual([
      ['cut/a.jsonl.gz', 'done', null],
      ['cut/b.jsonl.gz', 'failed', 'SOURCE_INVALID'],
    ]);
    expect(found.errors).toEqual([expect.stringMatching(/is cut off.*Fetch or write the file anew/)]);
  });

  test('half a line at the end of JSON Lines, and quotes that do not close in CSV, are rejects with their content', async () => {
    await at.project.write('half/a.jsonl', '{"id":1,"name":"one"}\n{"id":2,"name":"two"}\n{"id":3,"na');
    await at.project.write('half/b.csv', 'id,name\n4,four\n5,"fi"ve"\n6,"never closed\n7,seven\n');
    await job('half-lines', `files('half', { columns: { id: 'INTEGER', name: 'VARCHAR' } })`);
    const found = await outcome('half-lines', await drayage.run('half-lines', {}));
    expect(found).toMatchObject({ state: 'completed_with_rejects', ids: [1, 2, 4, 7], ...NO_HALVES });
    expect(found.rejects.map(({ row, reason, raw }) => [row, reason, raw])).toEqual([
      [3, 'invalid_json', '{"id":3,"na'],
      [3, 'bad_quoting', '5,"fi"ve"'],
      [4, 'bad_quoting', '6,"never closed'],
    ]);
  });

  test('objects in S3 that change, vanish or are closed between plan and reading fail by themselves', async () => {
    const store = s3Store({ endpoint: s3.endpoint });
    const put = async (name: string, from: number) => {
      const path = `${at.project.root}/object.parquet`;
      await writeParquet(duck, `select i::int as id, 'n' || i as name from range(${from}, ${from + 3}) t(i)`, path);
      await store.put({ bucket: BUCKET, key: `objects/${name}.parquet` }, await readFile(path));
    };
    for (const [index, name] of ['changed', 'closed', 'gone', 'good'].entries()) await put(name, index * 10);
    await job('objects', `files('s3://${BUCKET}/objects/', { s3: { endpoint: '${s3.endpoint}' } })`);
    const report = await drayage.run('objects', {}, true, async () => {
      await put('changed', 100);
      await store.delete(BUCKET, ['objects/gone.parquet']);
      s3.interfere(({ url }) => (url.includes('closed') ? 'forbid' : undefined));
    });
    const found = await outcome('objects', report);
    expect(found).toMatchObject({ state: 'failed', ids: [30, 31, 32], ...NO_HALVES });
    expect(found.partitions.map(([key, state, code]) => [key.match(/(\w+)\.parquet/)[1], state, code])).toEqual([
      ['changed', 'failed', 'SOURCE_CHANGED'],
      ['closed', 'failed', 'STORE_DENIED'],
      ['gone', 'failed', 'SOURCE_MISSING'],
      ['good', 'done', null],
    ]);
    expect(found.errors[0]).toMatch(/changed after it was planned.*Enqueue the job again/);
    expect(found.errors[1]).toMatch(/refuses access.*s3:GetObject/);
  });
});

describe('DynamoDB', () => {
  const lay = async (table: string, ids: readonly number[]) => {
    await dynamo.createTable(table);
    const items = ids.map((id) => ({
      pk: { S: `USER#${id}` },
      sk: { S: 'A' },
      id: { N: `${id}` },
      name: { S: `n${id}` },
    }));
    await dynamo.put(table, items);
  };
  const source = (table: string) =>
    `dynamodb({ table: '${table}', partitionKey: 'pk', endpoint: '${proxy.endpoint}', segments: 1, idsPerPartition: 1 })`;

  test('a table that is not there is refused when the run is planned; one that goes afterwards fails', async () => {
    await job('dynamo-gone', source('comes-later'), records('dynamo-gone'));
    await expect(drayage.run('dynamo-gone', {})).rejects.toMatchObject({
      code: 'SOURCE_MISSING',
      message: expect.stringContaining('comes-later'),
      hint: expect.stringMatching(/account, region or endpoint/),
    });
    const runs = await at.database.pool.query(`select id from drayage.runs where job = 'dynamo-gone'`);
    expect(runs.rows).toEqual([]);
    await lay('comes-later', [1, 2]);
    const report = await drayage.run('dynamo-gone', {}, true, () =>
      dynamo.client.send(new DeleteTableCommand({ TableName: 'comes-later' })),
    );
    const found = await outcome('dynamo-gone', report);
    expect(found).toMatchObject({ state: 'failed', ids: [], ...NO_HALVES });
    expect(found.partitions.map(([, state, code]) => [state, code])).toEqual(
      Array(2).fill(['failed', 'SOURCE_MISSING']),
    );
  });

  test('reads that are refused fail with the rights that they need', async () => {
    await lay('closed', [1, 2]);
    await job('dynamo-closed', source('closed'), records('dynamo-closed'));
    const report = await drayage.run('dynamo-closed', {}, true, async () => {
      refused = (operation) => (operation === 'Query' ? 'AccessDeniedException' : undefined);
    });
    const found = await outcome('dynamo-closed', report);
    expect(found).toMatchObject({ state: 'failed', ids: [], ...NO_HALVES });
    expect(found.errors).toEqual(Array(2).fill(expect.stringMatching(/refuses access.*dynamodb:Query/)));
  });

  test('throttling is waited for', async () => {
    await lay('busy', [1]);
    await job('dynamo-busy', source('busy'), records('dynamo-busy'));
    let asked = 0;
    const report = await drayage.run('dynamo-busy', {}, true, async () => {
      refused = (operation) => (operation === 'Query' && ++asked < 3 ? THROTTLED : undefined);
    });
    expect(await outcome('dynamo-busy', report)).toMatchObject({ state: 'succeeded', ids: [1], ...NO_HALVES });
    expect(asked).toBe(3);
  });

  test('an export with a file that is cut and a line that is none loads the rest', async () => {
    const line = (id: number) => JSON.stringify({ Item: { id: { N: `${id}` }, name: { S: 'x'.repeat(200) + id } } });
    const parts = [[line(1), line(2).slice(0, 30), line(3)], Array.from({ length: 50 }, (_, n) => line(100 + n))];
    const damage = (packed: Buffer) => packed.subarray(0, packed.length - 20);
    for (const [name, content] of exportFiles(parts, { damage })) await at.project.write(`export/${name}`, content);
    await job('export-cut', `dynamodbExport('export')`, records('export-cut'));
    const found = await outcome('export-cut', await drayage.run('export-cut', {}));
    expect(found).toMatchObject({ state: 'failed', ids: [1, 3], ...NO_HALVES });
    expect(found.partitions.map(([, state, code]) => [state, code])).toEqual([
      ['done', null],
      ['failed', 'SOURCE_UNREADABLE'],
    ]);
    expect(found.rejects).toMatchObject([{ row: 2, reason: 'invalid_json', raw: line(2).slice(0, 30) }]);
  });
});

describe('sessions', () => {
  const uuid = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
  const anchor = (id: number): Anchor => ({
    id: uuid(id),
    kind: 'NodeAnchor',
    type: 'Thing',
    fields: { id, name: `n${id}` },
  });
  const entry = (id: number) => [uuid(id), pickled(anchor(id), uuid(0))] as const;
  const opcodes = (...parts: (string | number[])[]) =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))));
  /** Pickles that are made to harm: https://docs.python.org/3/library/pickletools.html names the instructions. */
  const HOSTILE = {
    'a call of the system': opcodes('cos\nsystem\n(S"touch /tmp/harm"\ntR.'),
    'lists in lists in lists': opcodes([0x80, 2], ']'.repeat(200_000), 'a'.repeat(199_999), '.'),
    'a text of four gigabytes': opcodes([0x80, 2], 'X', [0xff, 0xff, 0xff, 0xff], 'short.'),
    'a number of two billion bytes': opcodes([0x80, 2], [0x8b, 0xff, 0xff, 0xff, 0x7f], 'x.'),
    'a list that holds itself twice, thirty times': opcodes(
      [0x80, 2],
      ...Array.from({ length: 30 }, (_, n) =>
        n === 0 ? ']q\0' : `](h${String.fromCharCode(n - 1)}h${String.fromCharCode(n - 1)}eq${String.fromCharCode(n)}`,
      ),
      '.',
    ),
  };

  test('pickles that are made to harm are rejects, and their neighbours are loaded', async () => {
    const hostile = Object.values(HOSTILE).map((bytes, index) => [`hostile-${index}`, bytes] as const);
    const [first, ...others] = hostile;
    CONTAINERS.sqlite(`${at.project.root}/harm.session`, [entry(1), first!, entry(2), ...others, entry(3)]);
    const source = `session({ path: 'harm.session' })`;
    const transform = `transform: (node, emit) => emit.hostile({ id: node.fields.id, name: node.fields.name }),`;
    await job('hostile', source, transform);
    const found = await outcome('hostile', await drayage.run('hostile', {}));
    expect(found).toMatchObject({ state: 'completed_with_rejects', ids: [1, 2, 3], ...NO_HALVES });
    expect(found.rejects.map(({ row, raw }) => [row, raw.key])).toEqual(
      [2, 4, 5, 6, 7].map((row, index) => [row, `hostile-${index}`]),
    );
  });
});

describe('Postgres', () => {
  test('a table that is missing, closed, or altered after the plan says so, and nothing is loaded', async () => {
    const { pool } = at.database;
    await job('pg-gone', `postgres({ table: 'comes_later' })`);
    await expect(drayage.run('pg-gone', {})).rejects.toMatchObject({ code: 'SOURCE_MISSING' });
    await pool.query(
      `create table comes_later (id int primary key, name text); insert into comes_later values (1, 'one')`,
    );
    const report = await drayage.run('pg-gone', {}, true, () => pool.query(`alter table comes_later drop column name`));
    const found = await outcome('pg-gone', report);
    expect(found).toMatchObject({ state: 'failed', ids: [], ...NO_HALVES });
    expect(found.partitions).toEqual([['comes_later', 'failed', 'SOURCE_CHANGED']]);

    await job('pg-closed', `postgres({ table: 'secrets', database: 'OUTSIDER_URL' })`);
    await pool.query(`create table secrets (id int primary key, name text); insert into secrets values (1, 'one');
      create role bad_sources_outsider login password 'outsider'; grant select on secrets to bad_sources_outsider`);
    try {
      const closed = await drayage.run('pg-closed', {}, true, () =>
        pool.query(`revoke select on secrets from bad_sources_outsider`),
      );
      const after = await outcome('pg-closed', closed);
      expect(after).toMatchObject({ state: 'failed', ids: [], ...NO_HALVES });
      expect(after.partitions).toEqual([['secrets', 'failed', 'STORE_DENIED']]);
      expect(after.errors).toEqual([expect.stringMatching(/permission denied.*Grant the role/)]);
    } finally {
      await pool.query(`drop owned by bad_sources_outsider; drop role bad_sources_outsider`);
    }
  });
});
