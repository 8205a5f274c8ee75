import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lake } from '../../src/lake/lake.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const TICKETS = 300;

interface Message {
  ticket_id: string;
  sent_at: string | null;
  score: number | null;
  sentiment: string | null;
  entities: { type: string; text: string; start: number; end: number }[] | null;
}

let project: Workspace['project'];
let database: Workspace['database'];
let drayage: Awaited<ReturnType<typeof openDrayage>>;
let lake: Lake;
useWorkspace((opened) => {
  ({ project, database } = opened);
});
beforeAll(async () => {
  cpSync(join(REPOSITORY, 'jobs/support-ingest.ts'), join(project.root, 'jobs/support-ingest.ts'));
  const generator = join(REPOSITORY, 'jobs/samples/support.ts');
  spawnSync(process.execPath, [generator, '--tickets', String(TICKETS), '--out', join(project.root, 'in')]);
  drayage = await openDrayage(project.root, database.url);
  lake = new Lake({ root: join(project.root, 'lake'), home: join(project.root, 'reader') });
});
afterAll(async () => {
  await lake.close();
  await drayage.close();
});

const run = () => drayage.run('support-ingest', { path: 'in', lake: 'lake' }, false);
const ask = async (sql: string) => (await lake.query(sql)).rows;
const read = (name: string) => readFileSync(join(project.root, 'in', name), 'utf8');

test('messages of three formats become sentiment, tickets and entities', async () => {
  const report = await run();
  expect(report).toMatchObject({ state: 'succeeded', partitions: { done: 3 } });
  // Two of the three files in a form that needs no parser of ours.
  const messages: Message[] = [
    ...JSON.parse(read('messages-2.json')),
    ...read('messages-3.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ];
  const whole = Object.groupBy(messages, ({ ticket_id }) => ticket_id);
  const tickets = await ask(`select ticket_id, sum(messages)::int as messages, sum(scored_messages)::int as scored,
    coalesce(sum(score_sum), 0)::double as score, sum(negative_messages)::int as negative, sum(entities)::int as entities
    from ticket group by ticket_id having ticket_id > 'T-0000150' order by ticket_id`);
  expect(tickets.length).toBe(TICKETS - 150);
  for (const ticket of tickets as Record<string, unknown>[]) {
    const its = whole[ticket.ticket_id as string]!;
    const scores = its.flatMap(({ score }) => score ?? []);
    expect(ticket).toMatchObject({
      messages: its.length,
      scored: scores.length,
      score: expect.closeTo(
        scores.reduce((sum, score) => sum + score, 0),
        9,
      ),
      negative: its.filter(({ sentiment }) => sentiment === 'Negative').length,
      entities: its.reduce((sum, { entities }) => sum + (entities?.length ?? 0), 0),
    });
  }
  const [counts] =
    await ask(`select (select count(*) from sentiment) as sentiment, (select count(*) from entity) as entity,
    (select sum(messages)::int from ticket) as messages, (select sum(entities)::int from ticket) as entities,
    (select count(*) from sentiment where label not in ('negative', 'neutral', 'positive')) as odd`);
  expect(counts).toMatchObject({ sentiment: counts!.messages, entity: counts!.entities, odd: 0 });
  const [wrong] = await ask(`select count(*) as wrong from entity join sentiment using (message_id)
    where substr(sentiment.text, entity.start_offset + 1, entity.end_offset - entity.start_offset) <> entity.text`);
  expect(wrong).toEqual({ wrong: 0 });
});

test('a file that was delivered anew takes the place of what it was, and its bad lines stand alone', async () => {
  const before = await ask('select count(*) as rows from sentiment');
  const message = { message_id: 'new', ticket_id: 'T-new', sent_at: '2026-02-01T00:00:00Z', score: 0.5, entities: [] };
  const bad = { ...message, message_id: 'bad', sent_at: 'on Sunday' };
  appendFileSync(join(project.root, 'in/messages-3.jsonl'), `${JSON.stringify(message)}\n${JSON.stringify(bad)}\n`);
  expect(await run()).toMatchObject({
    state: 'completed_with_rejects',
    partitions: { skipped: 2, done: 1 },
    rows: { rejected: 1 },
  });
  const after = await ask('select count(*) as rows from sentiment');
  expect(Number(after[0]!.rows)).toBe(Number(before[0]!.rows) + 1);
  expect(await ask(`select ticket_id, score_sum::varchar as score from ticket where ticket_id = 'T-new'`)).toEqual([
    { ticket_id: 'T-new', score: '0.5000' },
  ]);
  const { rows } = await database.pool.query('select row_number::int as row, message from drayage.rejects');
  expect(rows).toEqual([
    { row: read('messages-3.jsonl').trim().split('\n').length, message: expect.stringMatching('sent_at') },
  ]);
});
