import type { AttributeValue } from '@aws-sdk/client-dynamodb';

/** Items of a table of conversations as applications have written them over the years, always the same. */
export function* conversationItems(users: number): Generator<Record<string, AttributeValue>> {
  for (let user = 1; user <= users; user++) {
    const random = mulberry32(user);
    const pk = `USER#${user % 3 === 0 ? uuidOf(random) : `user-${String(user).padStart(5, '0')}`}`;
    const conversations = 1 + Math.floor(random() * 4);
    for (let number = 1; number <= conversations; number++) {
      // conv-1 and conv-10 begin alike; old ids are no UUIDs.
      const conversation = user % 4 === 0 ? `conv-${number === 2 ? 10 : number}` : uuidOf(random);
      yield conversationItem(pk, conversation, user + number, random);
      const messages = 2 * Math.ceil(random() * 5);
      for (let message = 1; message <= messages; message++) {
        const id = user % 5 === 0 ? String(message) : uuidOf(random);
        yield messageItem(pk, conversation, id, message, random);
      }
    }
  }
}

function conversationItem(pk: string, id: string, at: number, random: () => number): Record<string, AttributeValue> {
  const old = at % 2 === 0;
  return {
    pk: { S: pk },
    sk: { S: `CONV#${id}` },
    title: { S: pick(random, ['Rent arrears', 'Dismissal while ill', 'Résiliation', '契約の更新', '']) },
    is_active: { BOOL: random() < 0.8 },
    // Two names, and two ways to write a time.
    ...(old
      ? { createdAt: { S: moment(at) }, updatedAt: { S: moment(at + 1) } }
      : { created_at: { S: `${moment(at)}Z` }, updated_at: { S: `${moment(at + 1)}+00:00` } }),
    filter_value: {
      M: {
        jurisdiction: { S: 'uk' },
        weight: { N: '0.1234567890123456789012345678901234567' },
        tags: { SS: ['housing', 'urgent'] },
      },
    },
  };
}

function messageItem(
  pk: string,
  conversation: string,
  id: string,
  number: number,
  random: () => number,
): Record<string, AttributeValue> {
  const words = random() < 0.01 ? 20_000 : Math.floor(random() * 40);
  return {
    pk: { S: pk },
    sk: { S: `MSG#${conversation}#${id}` },
    role: { S: number % 2 === 1 ? 'user' : 'assistant' },
    content: { S: Array.from({ length: words }, () => pick(random, WORDS)).join(' ') },
    created_at: { S: `${moment(number)}.123456Z` },
    metadata: { M: { tokens: { N: String(words) }, trace: { N: '9007199254740993' } } },
    ...(random() < 0.2 ? { feedback: { S: pick(random, ['up', 'down']) } } : {}),
    ...(number === 1 ? { is_user_filter_text: { BOOL: true }, filter_value: { S: '{"court":"ukut"}' } } : {}),
  };
}

const WORDS = [
  'notice',
  'tenant',
  'Vertrag',
  'the',
  'of',
  '判決',
  'deposit',
  '🙂',
  'appeal',
  'evidence',
  'día',
  'claim',
];

const moment = (minutes: number) => new Date(1_700_000_000_000 + minutes * 60_000).toISOString().slice(0, 19);

const pick = <Item>(random: () => number, items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!;

function uuidOf(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('');
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-a$4-$5');
}

/** A small generator of numbers that look random (Tommy Ettinger, public domain). */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
