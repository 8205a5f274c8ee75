import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Dice } from './dice.ts';

/**
 * Makes analysed support messages of any number of tickets, always the same for the same seed: a file of CSV, one of
 * JSON and one of JSON Lines, with the gaps and oddities of real ones.
 */
const { values: given } = parseArgs({
  options: {
    tickets: { type: 'string', default: '3000' },
    days: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: 'data/support' },
    'if-missing': { type: 'boolean', default: false },
  },
});

const PRODUCTS = ['Parcel', 'Freight', 'Customs', 'Warehouse', 'Invoice'];
const CHANNELS = ['email', 'email', 'chat', 'phone', 'form'];
const SUBJECTS = [
  'Where is my parcel?',
  'Wrong weight, wrong price',
  'Zoll: Nachweis fehlt',
  '荷物が届きません',
  'Refund',
];
const NAMES = ['Amara Okafor', 'Jürgen Weiß', '佐藤 花子', 'Zoë O’Neill', 'Li "Max" Wei'];
const PLACES = ['Rotterdam', 'São Paulo', 'Łódź', 'Felixstowe', '上海'];
const LANGUAGES = ['en', 'en', 'en', 'de', 'ja', 'pt'];
const DAY_MS = 86_400_000;
const BEGIN_MS = Date.UTC(2026, 0, 1);

type Message = Record<string, unknown>;

if (given['if-missing'] && existsSync(given.out)) process.exit(0);
mkdirSync(given.out, { recursive: true });
const dice = new Dice(Number(given.seed));
const messages = Array.from({ length: Number(given.tickets) }, (_, ticket) => ticketOf(ticket + 1)).flat();
const third = Math.ceil(messages.length / 3);
writeFileSync(join(given.out, 'messages-1.csv'), csvOf(messages.slice(0, third)));
writeFileSync(join(given.out, 'messages-2.json'), `${JSON.stringify(messages.slice(third, 2 * third), null, 1)}\n`);
const lines = messages.slice(2 * third).map((message) => `${JSON.stringify(message)}\n`);
writeFileSync(join(given.out, 'messages-3.jsonl'), lines.join(''));
console.error(`Sample data: ${messages.length} messages of ${given.tickets} tickets in ${given.out}`);

function ticketOf(number: number): Message[] {
  const openedMs = BEGIN_MS + Math.floor(dice.fraction() * Number(given.days) * DAY_MS);
  const ticket = {
    ticket_id: `T-${String(number).padStart(7, '0')}`,
    opened_at: new Date(openedMs).toISOString(),
    channel: dice.pick(CHANNELS),
    product: dice.pick(PRODUCTS),
    subject: dice.pick(SUBJECTS),
    priority: dice.pick(['low', 'normal', 'normal', 'high', 'urgent']),
    status: dice.pick(['open', 'pending', 'solved', 'solved', 'closed']),
    language: dice.pick(LANGUAGES),
  };
  let sentMs = openedMs;
  return Array.from({ length: 1 + dice.below(6) }, (_, place) => {
    const sent = dice.chance(0.002) ? null : new Date(sentMs).toISOString();
    sentMs += Math.floor(dice.fraction() * DAY_MS * 0.5);
    return { message_id: `${ticket.ticket_id}-${place + 1}`, ...ticket, sent_at: sent, ...messageOf(place) };
  });
}

function messageOf(place: number): Message {
  const author = place % 2 === 0 ? 'customer' : 'agent';
  const [name, town] = [dice.pick(NAMES), dice.pick(PLACES)];
  const text = `${author === 'customer' ? 'I am' : 'This is'} ${name}, about the consignment to ${town}.${dice.chance(0.2) ? '\nPlease answer, soon!' : ''}`;
  const score = Math.round((dice.fraction() * 2 - 1) * 1e4) / 1e4;
  const scored = dice.chance(0.97);
  const entity = (type: string, word: string) => {
    const start = text.indexOf(word);
    return { type, text: word, start, end: start + word.length, confidence: Math.round(dice.fraction() * 1e4) / 1e4 };
  };
  const entities = dice.chance(0.1) ? [] : [entity('person', name), { ...entity('place', town), normalized: town }];
  return {
    author,
    text,
    sentiment: scored ? (score < -0.25 ? 'Negative' : score > 0.25 ? 'Positive' : 'Neutral') : null,
    score: scored ? score : null,
    confidence: scored ? Math.round((0.5 + dice.fraction() / 2) * 1e4) / 1e4 : null,
    entities: dice.chance(0.01) ? null : entities,
  };
}

function csvOf(rows: readonly Message[]): string {
  const names = Object.keys(rows[0]!);
  const cell = (value: unknown) => {
    if (value === null) return '';
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows.map((row) => names.map((name) => cell(row[name])))]
    .map((line) => `${line.join(',')}\n`)
    .join('');
}
