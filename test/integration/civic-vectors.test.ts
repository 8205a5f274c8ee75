import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { afterAll, beforeAll, expect, test } from 'vitest';
import job from '../../jobs/civic-reports.ts';
import type { Route } from '../../src/model/route.ts';
import type { OpenRecords } from '../../src/model/source.ts';
import type { Target } from '../../src/model/target.ts';
import { requireTable } from '../../src/postgres/catalog.ts';
import { Checksum } from '../../src/postgres/checksum.ts';
import { BatchEncoder } from '../../src/postgres/encode/batch.ts';
import { splitStatements } from '../../src/postgres/statements.ts';
import { spoolRecords } from '../../src/runs/records.ts';
import { mapColumns } from '../../src/sinks/mapping.ts';
import { contextOf } from '../helpers/session/read.ts';

/** The job on a server that has pgvector: the real extension, in a Postgres that runs in this process. */
const REPOSITORY = join(import.meta.dirname, '../..');
const lite = new PGlite({ extensions: { vector } });
let root: string;

const script = (name: string) => readFile(join(REPOSITORY, 'sql/targets', name), 'utf8');
const select = async (query: string) => (await lite.query<Record<string, unknown>>(query)).rows;

async function complete(): Promise<void> {
  for (const name of ['civic_reports.after.sql', 'civic_reports.duplicates.sql']) {
    for (const statement of splitStatements(await script(name))) await lite.query(statement);
  }
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'drayage-vectors-'));
  const sample = join(REPOSITORY, 'jobs/samples/civic.ts');
  await promisify(execFile)(process.execPath, [sample, '--reports', '200', '--files', '1', '--out', root]);
  await lite.exec(await script('civic_reports.sql'));
  await load(await routes());
  await complete();
});
afterAll(async () => {
  await lite.close();
  await rm(root, { recursive: true });
});

async function routes(): Promise<Route[]> {
  const client = { query: (sql: string, values: unknown[]) => lite.query(sql, values) } as never;
  const found: Route[] = [];
  for (const [name, target] of Object.entries(job.targets)) {
    found.push({
      name,
      target: target as Target,
      transform: job.transform as never,
      table: await requireTable(client, name),
      siblings: [],
    });
  }
  return found;
}

/** What the job makes of its session, by binary COPY. */
async function load(tables: readonly Route[]): Promise<void> {
  const source = job.source({ path: join(root, 'main-1.session'), 'embed-url': '', 'embed-model': '' } as never);
  const context = { ...contextOf(root), spool: root };
  const [plan] = await Array.fromAsync(source.enumerate(context));
  const opened = (await source.open(plan!, context)) as OpenRecords<unknown>;
  const none = async () => undefined;
  const spooled = await spoolRecords(opened, { routes: tables, keepRejects: none, onProgress: none }, context);
  expect(spooled.counts.rejected).toBe(0);
  for (const route of tables) {
    const images: Uint8Array[] = [Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')];
    for await (const { batch } of spooled.batches(route)) {
      const encoder = new BatchEncoder(mapColumns(batch.schema, route.table, route.target));
      for (const piece of encoder.cut(batch, 0, batch.numRows)) {
        const image = new Uint8Array(piece.bytes);
        encoder.encode(batch, piece, image, new Checksum());
        images.push(image);
      }
    }
    images.push(Uint8Array.of(0xff, 0xff));
    const blob = new Blob(images as Uint8Array<ArrayBuffer>[]);
    const columns = Object.keys(route.target.columns!);
    await lite.query(`copy ${route.table.sql} (${columns}) from '/dev/blob' (format binary)`, [], { blob });
  }
  await spooled.close();
  await opened.close();
}

test('embeddings are vectors of 384 numbers with an HNSW index, digit for digit those of the session', async () => {
  const type = `select format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = 'reports'::regclass and attname = 'embedding'`;
  expect(await select(type)).toEqual([{ type: 'vector(384)' }]);
  const index = await select(`select indexdef from pg_indexes where indexname = 'reports_embedding'`);
  expect(index).toEqual([{ indexdef: expect.stringMatching(/USING hnsw \(embedding vector_cosine_ops\)/) }]);
  expect(await select('select reports, embedded > 150 as most, missing > 0 as some from reports_embedded')).toEqual([
    { reports: 200, most: true, some: true },
  ]);
});

test('a search takes the index, and gives what arithmetic gives', async () => {
  const nearest = `select id, 1 - (embedding <=> (select embedding from reports where id = $$ID$$)) as similarity from reports
    where embedding is not null and vector_norm(embedding) > 0 order by 2 desc limit 5`;
  const [one] = await select(`select report_id as id from related_reports where found_by = 'similarity' limit 1`);
  const ID = String(one!.id);
  const exact = await select(nearest.replace('$$ID$$', `'${ID}'`));
  const found = await select(
    `select s.id, s.similarity from reports r, similar_reports(r.embedding, 5) s where r.id = '${ID}'`,
  );
  expect(found.map(({ id }) => id)).toEqual(exact.map(({ id }) => id));
  await lite.exec('set enable_seqscan = off');
  const plan = await select(
    `explain select id from reports order by embedding <=> (select embedding from reports where id = '${ID}') limit 5`,
  );
  await lite.exec('reset enable_seqscan');
  expect(JSON.stringify(plan)).toMatch(/Index Scan using reports_embedding/);
});

test('duplicates are linked once, the later to the earlier; zero and missing embeddings never match', async () => {
  const zero = `select count(*)::int as n from reports where vector_norm(embedding) = 0`;
  expect((await select(zero))[0]!.n).toBeGreaterThan(0);
  // The trap itself: the distance to nowhere is larger than any threshold.
  expect(
    await select(`select bool_and((1 - (a.embedding <=> b.embedding)) >= 0.9) as trapped
    from reports a, reports b where vector_norm(a.embedding) = 0 and a.id <> b.id and b.embedding is not null`),
  ).toEqual([{ trapped: true }]);
  const wrong = await select(`with exact as (
      select least(a.id, b.id) as one, greatest(a.id, b.id) as other from reports a join reports b on a.id < b.id
      where vector_norm(a.embedding) > 0 and vector_norm(b.embedding) > 0 and 1 - (a.embedding <=> b.embedding) >= 0.9),
    linked as (select least(report_id, related_report_id) as one, greatest(report_id, related_report_id) as other, found_by from related_reports)
    (table exact except select one, other from linked) union all
    (select one, other from linked where found_by = 'similarity' except table exact)`);
  expect(wrong).toEqual([]);
  const count = `select count(*)::int as n from related_reports where found_by = 'similarity'`;
  const before = await select(count);
  expect(before[0]!.n).toBeGreaterThan(3);
  await complete();
  expect(await select(count)).toEqual(before);
});

test('a report whose embedding changes is compared again', async () => {
  const links = `select count(*)::int as n from related_reports where found_by = 'similarity'`;
  const [{ n }] = (await select(links)) as [{ n: number }];
  const [pair] = await select(`select report_id from related_reports where found_by = 'similarity' limit 1`);
  const opposite = `update reports set embedding = embedding * array_fill(-1::real, array[384])::vector where id = '${pair!.report_id}'`;
  await lite.exec(opposite);
  await complete();
  expect(Number((await select(links))[0]!.n)).toBeLessThan(n);
  await lite.exec(opposite);
  await complete();
  expect((await select(links))[0]!.n).toBe(n);
});
