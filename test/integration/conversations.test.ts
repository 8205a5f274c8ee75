import { execFile } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { conversationItems } from '../../jobs/samples/conversation-items.ts';
import { LOCAL_ENV, LocalDynamo } from '../../jobs/samples/dynalite.ts';
import { toJson } from '../../src/base/json.ts';
import type { Item } from '../../src/store/dynamodb.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { writeExport } from '../helpers/dynamo-export.ts';
import { TestProject } from '../helpers/project.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const NAMESPACE = '6d0f2b0e-7c5c-4f0f-b8f4-a3b1d9a7e251';
let database: TestDatabase;
let project: TestProject;
let dynamo: LocalDynamo;

const S = (text: string) => ({ S: text });
const LONG = 'é'.repeat(524_288);
const EDGES: Item[] = [
  {
    pk: S('USER#edge'),
    sk: S('CONV#conv1'),
    title: S('one'),
    filter_values: S('plain text'),
    created_at: S('2024-02-29T23:59:59.999999+05:30'),
  },
  { pk: S('USER#edge'), sk: S('CONV#conv10'), title: S('ten') },
  {
    pk: S('USER#edge'),
    sk: S('MSG#conv1#m'),
    role: S('user'),
    content: S(''),
    metadata: { M: { n: { N: '12345678901234567890123456789012345678' } } },
  },
  { pk: S('USER#edge'), sk: S('MSG#conv10#m'), role: S('assistant'), content: S(LONG) },
  { pk: S('USER#edge'), sk: S('MSG#gone#m'), role: S('user'), content: S('an orphan') },
  { pk: S('USER#edge'), sk: S('MSG#conv1#system'), role: S('system'), content: S('no such role') },
  { pk: S('USER#edge'), sk: S('MSG#conv1#silent'), role: S('user') },
  { pk: S('USER#edge'), sk: S('PROFILE') },
];
const items = [...conversationItems(40), ...EDGES];

beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  await cp(join(REPOSITORY, 'jobs/conversations.ts'), join(project.root, 'jobs/conversations.ts'));
  await cp(join(REPOSITORY, 'sql/targets'), join(project.root, 'sql/targets'), { recursive: true });
  // AWS takes no item of more than 400 kB; here one of a megabyte comes through, too.
  dynamo = await LocalDynamo.start({ maxItemSizeKb: 2048 });
  await dynamo.createTable('chat');
  await dynamo.put('chat', items);
  const own = { DYNAMODB_TABLE_NAME: 'chat', DYNAMODB_ENDPOINT_URL: dynamo.endpoint };
  Object.assign(project.env, LOCAL_ENV, own);
});
afterAll(async () => {
  await dynamo.close();
  await project.remove();
  await database.drop();
});

async function run(...args: string[]) {
  const { stdout, stderr } = await project.dray(['run', 'conversations', '--json', ...args]);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

async function column(sql: string): Promise<unknown[]> {
  return (await database.pool.query({ text: sql, rowMode: 'array' })).rows.map((row) => row[0]);
}

test('every conversation and message arrives; what cannot be kept is a reject that says why', async () => {
  const report = await run('--param', 'usersPerPartition=10');
  const count = (entity: string) => items.filter(({ sk }) => sk!.S!.startsWith(entity)).length;
  expect(report).toMatchObject({
    state: 'completed_with_rejects',
    rows: { read: items.length, written: items.length - 4, rejected: 4 },
    errors: [],
  });
  expect(report.partitions.total).toBeGreaterThan(2);
  expect(await column('select count(*) from conversations')).toEqual([count('CONV#')]);
  expect(await column('select count(*) from messages')).toEqual([count('MSG#') - 3]);
  const { rows: rejects } = await database.pool.query(
    'select reason, table_name, column_name, raw from drayage.rejects order by reason',
  );
  expect(rejects.map(({ reason, table_name, column_name }) => [reason, table_name, column_name])).toEqual([
    ['check', 'public.messages', null],
    ['foreign_key', 'public.messages', null],
    ['null_not_allowed', 'public.messages', 'content'],
    ['unknown_entity', null, null],
  ]);
  expect(rejects[3].raw).toEqual({ pk: S('USER#edge'), sk: S('PROFILE') });
  const indexes = `select indexname from pg_indexes where tablename in ('conversations', 'messages') and indexname !~ 'pkey' order by 1`;
  expect(await column(indexes)).toEqual([
    'conversations_updated_at',
    'conversations_user_id',
    'messages_conversation_id',
    'messages_created_at',
    'messages_user_id',
  ]);
});

test('ids, times and contents are exactly those of the source', async () => {
  const { rows } = await database.pool.query(
    `select c.title, m.content = '' as empty, length(m.content) as length, octet_length(m.content) as bytes, m.metadata::text,
       c.filter_values::text as filter, (c.created_at at time zone 'UTC')::text as created
     from messages m join conversations c on c.id = m.conversation_id where m.user_id = 'edge' order by c.title`,
  );
  expect(rows).toEqual([
    {
      ...{
        title: 'one',
        empty: true,
        length: 0,
        bytes: 0,
        filter: '"plain text"',
        created: '2024-02-29 18:29:59.999999',
      },
      metadata: '{"n":12345678901234567890123456789012345678}',
    },
    { title: 'ten', empty: false, length: 524_288, bytes: 1_048_576, metadata: null, filter: null, created: null },
  ]);
  // The rule of the docs, by another hand than ours.
  await database.pool.query('create extension if not exists "uuid-ossp"');
  expect(
    await column(
      `select distinct id = case when source_id ~ '^[0-9a-f]{8}-' then source_id::uuid
         else uuid_generate_v5('${NAMESPACE}', 'USER#' || user_id || E'\\n' || 'CONV#' || source_id) end from conversations`,
    ),
  ).toEqual([true]);
  expect(await column(`select count(*) from conversations where source_id !~ '^[0-9a-f]{8}-'`)).not.toEqual([0]);
  const times = items
    .flatMap(({ sk, created_at }) => (sk!.S!.startsWith('MSG#') && created_at ? [created_at.S!] : []))
    .sort();
  expect(
    await column(
      `select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from messages where created_at is not null order by 1`,
    ),
  ).toEqual(times);
});

test('every item is in its table with all that it holds', async () => {
  const of = (entity: string) =>
    items
      .filter(({ pk, sk }) => pk!.S !== 'USER#edge' && sk!.S!.startsWith(entity))
      .map((item) => ({
        ...Object.fromEntries(Object.entries(item).map(([name, value]) => [name, Object.values(value)[0]])),
        user: item.pk!.S!.slice('USER#'.length),
        ids: item.sk!.S!.split('#').slice(1),
      })) as (Record<string, unknown> & { user: string; ids: string[] })[];
  const inOrder = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).sort();
  const { rows: messages } = await database.pool.query({
    text: `select m.user_id, c.source_id, m.source_id, m.role, m.content, m.feedback, m.is_user_filter_text
      from messages m join conversations c on c.id = m.conversation_id where m.user_id <> 'edge'`,
    rowMode: 'array',
  });
  const flag = (item: Record<string, unknown>) => item.is_user_filter_text ?? item.isUserFilterText ?? null;
  expect(inOrder(messages)).toEqual(
    inOrder(
      of('MSG#').map((item) => [item.user, ...item.ids, item.role, item.content, item.feedback ?? null, flag(item)]),
    ),
  );
  const { rows: conversations } = await database.pool.query({
    text: `select user_id, source_id, title, is_active from conversations where user_id <> 'edge'`,
    rowMode: 'array',
  });
  expect(inOrder(conversations)).toEqual(
    inOrder(
      of('CONV#').map((item) => [item.user, ...item.ids, item.title ?? null, item.is_active ?? item.isActive ?? true]),
    ),
  );
});

test('a second run reads nothing, and a changed user is loaded with no other row touched', async () => {
  const again = await run('--param', 'usersPerPartition=10');
  expect(again.partitions.skipped).toBe(again.partitions.total);
  expect(again.rows.read).toBe(0);
  await dynamo.put('chat', [{ pk: S('USER#edge'), sk: S('MSG#conv1#new'), role: S('user'), content: S('new') }]);
  const changed = await run('--param', 'usersPerPartition=10');
  expect(changed).toMatchObject({ partitions: { done: 1 }, rows: { written: 1 } });
  const replay = await project.dray(['rejects', String(changed.run), '--replay']);
  expect([replay.code, replay.stderr + replay.stdout]).toEqual([2, expect.stringMatching(/Run the job again/)]);
});

test('an export of the table holds the same rows; the counts of each user are the same, or say who differs', async () => {
  const lines = items.map((item) => toJson({ Item: item }));
  await writeExport(join(project.root, 'export'), [lines.slice(0, 300), lines.slice(300)]);
  const params = ['--param', 'export=export'];
  const report = await run(...params);
  expect(report).toMatchObject({
    partitions: { done: 2 },
    rows: { read: items.length, written: 0, unchanged: items.length - 4, rejected: 4 },
  });
  expect((await run(...params)).partitions.skipped).toBe(2);

  const counts = async () => {
    const script = join(REPOSITORY, 'jobs/samples/conversations-counts.ts');
    const options = { cwd: project.root, env: project.env };
    const ended = await promisify(execFile)(process.execPath, [script, '--json'], options).catch((error) => error);
    return JSON.parse(ended.stdout);
  };
  const edge = {
    user: 'edge',
    source: { conversations: 2, messages: 6 },
    tables: { conversations: 2, messages: 3 },
    same: false,
  };
  const found = await counts();
  expect(found).toMatchObject({
    ok: false,
    different: [edge],
    totals: { source: { users: 41 }, tables: { users: 41 } },
  });
  expect(found.users.filter(({ same }: { same: boolean }) => same)).toHaveLength(40);
});

test('messages of an export that come before their conversations are loaded after all', async () => {
  await database.pool.query('truncate conversations, messages');
  const few = [...conversationItems(2), ...EDGES];
  const lines = (entity: string) =>
    few.filter(({ sk }) => sk!.S!.startsWith(entity)).map((item) => toJson({ Item: item }));
  await writeExport(join(project.root, 'late'), [lines('MSG#'), lines('CONV#')]);
  project.env.DRAYAGE_CONCURRENCY = '1';
  const report = await run('--param', 'export=late');
  expect(report.rows).toMatchObject({ written: lines('CONV#').length, rejected: lines('MSG#').length });
  const replayed = JSON.parse((await project.dray(['rejects', String(report.run), '--replay', '--json'])).stdout);
  expect(replayed).toMatchObject({ loaded: lines('MSG#').length - 3, rejected: 3 });
});

test('a table that is not there is named, with what to do', async () => {
  const { code, stderr, stdout } = await project.dray(['run', 'conversations', '--param', 'table=nosuch']);
  expect(code).toBe(2);
  expect(stderr + stdout).toMatch(/no DynamoDB table "nosuch".*region or endpoint/s);
});
