import { execFile } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Anchor, type Fields, pickled } from '../../jobs/samples/anchors.ts';
import { writeSqlite } from '../../jobs/samples/containers.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { TestProject } from '../helpers/project.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const TABLES = ['organisations', 'facilities', 'reporters', 'reports', 'report_routes', 'related_reports'];
const DEFAULTS = { 'embed-url': '', 'embed-model': 'm' };

let project: TestProject;
let database: TestDatabase;
let drayage: Awaited<ReturnType<typeof openDrayage>>;

beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  await cp(join(REPOSITORY, 'jobs/civic-reports.ts'), join(project.root, 'jobs/civic-reports.ts'));
  await cp(join(REPOSITORY, 'sql/targets'), join(project.root, 'sql/targets'), { recursive: true });
  await sample('--reports', '200');
  drayage = await openDrayage(project.root, database.url);
});
afterAll(async () => {
  await drayage.close();
  await project.remove();
  await database.drop();
});

function sample(...args: string[]) {
  const script = join(REPOSITORY, 'jobs/samples/civic.ts');
  return promisify(execFile)(process.execPath, [script, ...args], { cwd: project.root });
}

async function rows(sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  return (await database.pool.query(sql, values)).rows;
}

const value = async (sql: string, values: unknown[] = []) => Object.values((await rows(sql, values))[0]!)[0];
const run = (path: string, more = {}, force = false) =>
  drayage.run('civic-reports', { ...DEFAULTS, path, ...more }, force);

/** A session with these nodes and edges, all under one root. */
async function write(path: string, anchors: Anchor[]): Promise<void> {
  await project.write(path, '');
  const root: Anchor = { id: id(0), kind: 'NodeAnchor', type: 'Root', fields: {} };
  writeSqlite(
    join(project.root, path),
    [root, ...anchors].map((anchor) => [anchor.id, pickled(anchor, root.id)]),
  );
}

const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
const node = (number: number, type: string, fields: Fields): Anchor => ({
  id: id(number),
  kind: 'NodeAnchor',
  type,
  fields,
});
const edge = (number: number, type: string, source: number, target: number, fields: Fields = {}): Anchor => {
  return { id: id(number), kind: 'EdgeAnchor', type, fields, ends: [id(source), id(target)] };
};

test('the first run makes the six tables, says what the server lacks, and loads every report', async () => {
  const finished = await project.dray(['run', 'civic-reports', '--json']);
  expect(finished.stderr).toMatch(/no pgvector on this server/);
  expect(JSON.parse(finished.stdout)).toMatchObject({
    state: 'succeeded',
    partitions: { done: 2 },
    rows: { rejected: 0 },
  });
  for (const table of TABLES) expect(await value(`select count(*) from ${table}`)).toBeGreaterThan(0);
  expect(await value('select count(*) from reports')).toBe(200);
  expect(await value('select count(*) from organisations')).toBe(8);
  expect(await rows('select reports, embedded + missing as both, missing > 0 as some from reports_embedded')).toEqual([
    { reports: 200, both: 200, some: true },
  ]);
  // JSON in strings has become JSON; a facility has become a row as well.
  expect(await value(`select count(*) from reports where jsonb_typeof(entities) <> 'object'`)).toBe(0);
  expect(await rows(`select distinct f.name, f.details from facilities f order by 1`)).toEqual([
    { name: 'Pump 1', details: null },
    { name: 'Pump 2', details: null },
    { name: 'Substation A', details: { kind: 'substation', name: 'Substation A' } },
  ]);
  const indexes = await rows(`select indexdef from pg_indexes where tablename = any ($1)`, [TABLES]);
  const all = indexes.map(({ indexdef }) => indexdef).join('\n');
  for (const wanted of [/reports .*\(status\)/, /reports .*\(category\)/, /\(submitted_at DESC\)/])
    expect(all).toMatch(wanted);
  for (const wanted of [/report_routes .*\(report_id\)/, /report_routes .*\(organisation_id\)/])
    expect(all).toMatch(wanted);
});

test('every row that was loaded is proved to be there', async () => {
  const verified = await project.dray(['verify', '1', '--json']);
  expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true });
});

test('related reports are those of the session, and those whose embeddings say so; zero and missing ones never match', async () => {
  const found =
    await rows(`select found_by, count(*) as n, min(similarity_score) as least, bool_and(l.submitted_at >= e.submitted_at) as later
    from related_reports r join reports l on l.id = report_id join reports e on e.id = related_report_id
    group by found_by order by found_by`);
  expect(found).toEqual([
    expect.objectContaining({ found_by: 'session', least: 0.93 }),
    expect.objectContaining({ found_by: 'similarity', later: true }),
  ]);
  expect(Number(found[1]!.least)).toBeGreaterThan(0.9);
  const wrong = await rows(`with exact as materialized (
      select a.id as one, b.id as other from reports a join reports b on a.id < b.id
      where cosine_similarity(a.embedding, b.embedding) >= 0.9),
    linked as (select least(report_id, related_report_id) as one, greatest(report_id, related_report_id) as other, found_by from related_reports)
    (table exact except select one, other from linked) union all
    (select one, other from linked where found_by = 'similarity' except table exact)`);
  expect(wrong).toEqual([]);
  expect(await value(`select count(*) from reports where embedding = array_fill(0::real, array[384])`)).toBeGreaterThan(
    0,
  );
  const [first] = await rows(`select similarity from reports r, similar_reports(embedding, 3)
    where r.id = (select report_id from related_reports where found_by = 'similarity' limit 1)`);
  expect(first!.similarity).toBeCloseTo(1, 5);
});

test('the second run loads nothing; a changed report reloads its partition alone, and is compared again', async () => {
  expect(await run('data/civic')).toMatchObject({ partitions: { skipped: 2, done: 0 }, rows: { read: 0 } });
  const near = JSON.stringify(Array.from({ length: 384 }, (_, place) => place - 100));
  const far = JSON.stringify(Array.from({ length: 384 }, (_, place) => ((place * 7919) % 384) - 192));
  const both = (embedding: string) => [
    node(1, 'Report', { id: id(101), title: 'A', submitted_at: '2025-01-01 10:00:00', embedding: near }),
    node(2, 'Report', { id: id(102), title: 'B', submitted_at: '2025-01-02 10:00:00', embedding }),
    node(3, 'Report', { id: id(103), title: 'C', embedding: `[${Array(384).fill(0)}]` }),
  ];
  const links = () =>
    rows(`select report_id, related_report_id from related_reports where $1 in (report_id, related_report_id)`, [
      id(101),
    ]);
  await write('data/civic/own.session', both(near));
  expect(await run('data/civic')).toMatchObject({ partitions: { skipped: 2, done: 1 }, rows: { written: 3 } });
  expect(await links()).toEqual([{ report_id: id(102), related_report_id: id(101) }]);
  await write('data/civic/own.session', both(far));
  expect(await run('data/civic')).toMatchObject({
    partitions: { skipped: 2, done: 1 },
    rows: { written: 1, unchanged: 2 },
  });
  expect(await links()).toEqual([]);
});

test('other containers, and reports.json, bring the same rows', async () => {
  const before = await rows('select * from reports order by id');
  for (const container of ['gdbm', 'dumb', 'json']) {
    await sample('--reports', '200', '--container', container, '--out', container);
    const report = await run(container === 'json' ? 'json/*.json' : container);
    expect(report).toMatchObject({ state: 'succeeded', partitions: { done: 2 }, rows: { written: 0, rejected: 0 } });
    expect(report.rows.unchanged).toBeGreaterThan(200);
  }
  expect(await rows('select * from reports order by id')).toEqual(before);
});

test('what real sessions bring is loaded, and what cannot be is kept aside with its reason', async () => {
  await write('odd.session', [
    node(1, 'Reporter', { id: 'someone', name: '', email: 'a@b.example', is_anonymous: true }),
    node(2, 'Report', {
      id: id(201),
      title: 'NUL \0 here',
      category: 'pending',
      status: 'classified',
      entities: 'no json',
      reporter_id: 'someone',
    }),
    node(3, 'Report', { id: 'report 3', title: 'x'.repeat(501) }),
    node(4, 'Report', {
      id: id(204),
      title: '',
      reporter_id: id(299),
      submitted_at: '2025-06-01T12:00:00.5+03:00',
      embedding: '[1, 2]',
    }),
    node(5, 'Report', { id: id(205), title: 'late', submitted_at: 'yesterday' }),
    node(6, 'Organisation', { name: 'Office', facilities: '["Gate"]' }),
    node(7, 'Walker', {}),
    edge(20, 'HandledBy', 6, 2, { message: 'see to it', assigned_at: '2025-12-04 10:51:00' }),
    edge(21, 'RelatedTo', 2, 77),
    edge(22, 'RelatedTo', 2, 4, { similarity_score: 0.93 }),
  ]);
  const report = await run('odd.session');
  expect(report).toMatchObject({ state: 'completed_with_rejects', rows: { rejected: 3 } });
  expect(report.warnings.map(({ message }) => message)).toEqual([
    'the embedding of "" is not 384 numbers',
    'there is no table for a node of type Walker',
  ]);
  expect(report.coercions).toMatchObject([{ column: 'title', loss: 'replace_nul', rows: 1 }]);
  const rejects = await rows('select reason, column_name from drayage.rejects where run_id = $1 order by 1', [
    report.run,
  ]);
  expect(rejects).toEqual([
    { reason: 'dangling_edge', column_name: null },
    { reason: 'not_a_timestamp', column_name: 'submitted_at' },
    { reason: 'too_long', column_name: 'title' },
  ]);
  const reporter = await value(`select id from reporters where email = 'a@b.example'`);
  expect(
    await rows(
      'select title, entities, status, reporter_id, submitted_at::text, embedding from reports where id = any ($1) order by id',
      [[id(201), id(204)]],
    ),
  ).toEqual([
    {
      title: 'NUL \ufffd here',
      entities: 'no json',
      status: 'classified',
      reporter_id: reporter,
      submitted_at: null,
      embedding: null,
    },
    {
      title: '',
      entities: null,
      status: 'submitted',
      reporter_id: id(299),
      submitted_at: '2025-06-01 09:00:00.5',
      embedding: null,
    },
  ]);
  // A reporter whom nobody describes is entered, so that every report's reporter is there.
  expect(await rows('select name, is_anonymous from reporters where id = $1', [id(299)])).toEqual([
    { name: null, is_anonymous: true },
  ]);
  expect(
    await rows('select organisation_id, message, status, sent_at::text from report_routes where id = $1', [id(20)]),
  ).toEqual([{ organisation_id: id(6), message: 'see to it', status: 'sent', sent_at: '2025-12-04 10:51:00' }]);
});

test('missing embeddings come from a service, and a run that has one does not skip what had none', async () => {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const { input } = JSON.parse((await request.setEncoding('utf8').toArray()).join('')) as { input: string[] };
    asked.push(...input);
    response.end(
      JSON.stringify({
        embeddings: input.map((text) => Array.from({ length: 384 }, (_, place) => (text.length * place) % 7)),
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const missing = Number(await value('select missing from reports_embedded')) - 2;
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/embeddings`;
    const report = await run('data/civic/main*', { 'embed-url': url });
    expect(report).toMatchObject({ state: 'succeeded', rows: { written: missing } });
    expect(asked).toHaveLength(missing);
    // The two that the other session has.
    expect(await value('select missing from reports_embedded')).toBe(2);
  } finally {
    server.close();
  }
});

test('a database that nobody has given organisations gets a first set', async () => {
  await database.pool.query('truncate organisations cascade');
  await write('bare.session', [node(1, 'Report', { id: id(301), title: 'alone' })]);
  await run('bare.session');
  expect(await value('select count(*) from organisations')).toBe(6);
  await run('bare.session', {}, true);
  expect(await value('select count(*) from organisations')).toBe(6);
});
