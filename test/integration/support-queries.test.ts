import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lake } from '../../src/lake/lake.ts';
import { createDuck } from '../helpers/duck.ts';
import { publish } from '../helpers/lake.ts';

const QUERIES = join(import.meta.dirname, '../../sql/queries');
const PERIOD = { from: '2026-01-01', until: '2026-02-01' };
const duck = createDuck();
let home: string;
let lake: Lake;

/** Two tickets, the first of which came in two files. */
const TICKETS = `select * from (values
    ('T-1', timestamptz '2026-01-05 10:00:00+00', timestamptz '2026-01-05 11:00:00+00', 'Late', 'Parcel', 'email', 'high', 'open', 2, 2, 0.5, 1),
    ('T-2', timestamptz '2026-01-06 10:00:00+00', timestamptz '2026-01-06 10:00:00+00', 'Wrong price', 'Invoice', 'chat', 'urgent', 'solved', 1, 1, 0.4, 0)
  ) t(ticket_id, opened_at, last_message_at, subject, product, channel, priority, status, messages, scored_messages, score_sum, negative_messages)`;
const LATER = `select 'T-1' as ticket_id, timestamptz '2026-01-05 10:00:00+00' as opened_at, timestamptz '2026-01-07 09:00:00+00' as last_message_at,
  'Late' as subject, 'Parcel' as product, 'email' as channel, 'urgent' as priority, null::varchar as status, 1 as messages, 1 as scored_messages,
  -0.9 as score_sum, 1 as negative_messages`;
const SENTIMENT = `select * from (values
    ('T-1-1', 'T-1', timestamptz '2026-01-05 10:00:00+00', 'customer', 'en', 'Where is it?', 'negative', -0.5::decimal(5,4), 0.9),
    ('T-1-2', 'T-1', timestamptz '2026-01-05 11:00:00+00', 'agent', 'en', 'On its way.', 'positive', 0.75, 0.8),
    ('T-2-1', 'T-2', timestamptz '2026-01-06 10:00:00+00', 'customer', 'de', 'Zu teuer', 'neutral', 0.1, 0.7)
  ) t(message_id, ticket_id, sent_at, author, language, text, label, score, confidence)`;
const ENTITIES = `select * from (values
    ('T-1-1', 'T-1', timestamptz '2026-01-05 10:00:00+00', 1, 'place', 'Rotterdam', 'rotterdam', 0.9),
    ('T-1-1', 'T-1', timestamptz '2026-01-05 10:00:00+00', 2, 'person', 'Zoë', 'zoë', 0.8)
  ) t(message_id, ticket_id, sent_at, ordinal, type, text, normalized, confidence)`;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'drayage-support-'));
  await publish(duck, join(home, 'lake'), 'first', [
    { dataset: 'ticket', day: '2026-01-05', query: TICKETS },
    { dataset: 'ticket', day: '2026-01-05', number: 2, query: LATER },
    { dataset: 'sentiment', day: '2026-01-05', query: SENTIMENT },
    { dataset: 'entity', day: '2026-01-05', query: ENTITIES },
  ]);
  lake = new Lake({ root: join(home, 'lake'), home: join(home, 'cache') });
});
afterAll(async () => {
  await lake.close();
  await duck.close();
  await rm(home, { recursive: true, force: true });
});

const ask = async (name: string, params: Record<string, string>) => {
  const sql = await readFile(join(QUERIES, `${name}.sql`), 'utf8');
  return (await lake.query(sql, params)).rows;
};

test('analytics count each ticket once, in however many files it came', async () => {
  expect(await ask('support-analytics', PERIOD)).toEqual([
    {
      ...{ product: 'Invoice', tickets: 1, unresolved: 0, urgent: 1, messages: 1 },
      ...{ sentiment: expect.closeTo(0.4), negative_share: 0 },
    },
    {
      ...{ product: 'Parcel', tickets: 1, unresolved: 1, urgent: 1, messages: 3 },
      ...{ sentiment: expect.closeTo(-0.1333, 4), negative_share: expect.closeTo(0.6667, 4) },
    },
  ]);
  expect(await ask('support-analytics', { from: '2027-01-01', until: '2028-01-01' })).toEqual([]);
});

test('a search finds subjects and entities, whatever their capitals, the latest first', async () => {
  const found = async (text: string, limit = '10') =>
    (await ask('support-search', { ...PERIOD, text, limit })).map((row) => [row.ticket_id, row.by_entity]);
  expect(await found('WRONG')).toEqual([['T-2', false]]);
  expect(await found('rotterdam')).toEqual([['T-1', true]]);
  expect(await found('')).toEqual([
    ['T-2', false],
    ['T-1', true],
  ]);
  expect(await found('', '1')).toEqual([['T-2', false]]);
  expect(await found('100%')).toEqual([]);
});

test('a report has a line for every day on which something happened', async () => {
  expect(await ask('support-report', PERIOD)).toMatchObject([
    { date: '2026-01-05', tickets: 1, messages: 3, negative: 1, top_entity: 'zoë', top_entity_mentions: 1 },
    { date: '2026-01-06', tickets: 1, messages: 1, negative: 0, top_entity: null, top_entity_mentions: 0 },
  ]);
});

test('a ticket is shown with its messages and their entities, and one that is unknown as nothing', async () => {
  const [ticket] = await ask('support-ticket', { id: 'T-1' });
  expect(ticket).toMatchObject({ ticket_id: 'T-1', subject: 'Late', status: 'open', messages: 3 });
  expect(ticket!.last_message_at).toBe('2026-01-07 09:00:00+00');
  expect(ticket!.said).toMatchObject([
    { message_id: 'T-1-1', label: 'negative', score: '-0.5000', entities: [{ text: 'Rotterdam' }, { text: 'Zoë' }] },
    { message_id: 'T-1-2', label: 'positive', entities: null },
  ]);
  expect(await ask('support-ticket', { id: 'T-9' })).toEqual([]);
});
