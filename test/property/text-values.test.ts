import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { from as copyFrom } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Kind } from '../../src/arrow/types.ts';
import { bitsEncoder } from '../../src/postgres/encode/bits.ts';
import type { ColumnEncoder } from '../../src/postgres/encode/column.ts';
import { hstoreEncoder } from '../../src/postgres/encode/hstore.ts';
import { inetEncoder } from '../../src/postgres/encode/inet.ts';
import { intervalTextEncoder } from '../../src/postgres/encode/interval.ts';
import { lsnEncoder } from '../../src/postgres/encode/lsn.ts';
import { macaddrEncoder } from '../../src/postgres/encode/macaddr.ts';
import { numericTextEncoder } from '../../src/postgres/encode/numeric-text.ts';
import { parsed, Unfit } from '../../src/postgres/encode/parsed.ts';
import { multirangeEncoder, rangeEncoder } from '../../src/postgres/encode/range.ts';
import { timetzEncoder } from '../../src/postgres/encode/timetz.ts';
import { xmlEncoder } from '../../src/postgres/encode/xml.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { encodeValues } from '../helpers/encode-values.ts';
import { integer, oneOf, text, word } from '../helpers/text-values/arbitraries.ts';
import { ILLEGAL } from '../helpers/text-values/illegal.ts';
import { LEGAL } from '../helpers/text-values/legal.ts';

/** Raise it after a change to an encoder; the ways to damage a value are many. */
const RUNS = 150;

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
  await database.pool.query('create extension hstore');
  // Postgres takes one line break from the start whenever it sends xml; the image is what no longer changes.
  await database.pool.query(
    `create function settled_xml_send(xml) returns bytea language sql
     as $$ select xml_send(xmlparse(content ltrim(convert_from(xml_send($1), 'UTF8'), e'\\n'))) $$`,
  );
});
afterAll(() => database.drop());

/** What Postgres makes of each value: its image, null for null, or undefined where it refuses. */
async function postgresImages(
  type: string,
  send: string,
  values: (string | null)[],
): Promise<(string | null | undefined)[]> {
  const ask = (some: (string | null)[]) =>
    database.pool.query(
      `select ok, case when ok then encode(${send}(v::${type}), 'hex') end as image
       from (select v, n, coalesce(pg_input_is_valid(v, $2), true) as ok
             from unnest($1::text[]) with ordinality u(v, n) offset 0) s order by n`,
      [some, type],
    );
  const image = ({ rows }: Awaited<ReturnType<typeof ask>>) => rows.map((row) => (row.ok ? row.image : undefined));
  try {
    return image(await ask(values));
  } catch {
    // A bad XML declaration is an error even to pg_input_is_valid.
    return Promise.all(
      values.map((value) =>
        ask([value]).then(
          (result) => image(result)[0],
          () => undefined,
        ),
      ),
    );
  }
}

/** What a column of the type sends after it got the images through COPY. */
async function received(type: string, send: string, images: string[]): Promise<string[]> {
  const client = await database.pool.connect();
  try {
    await client.query(`create temp table received (n serial, v ${type})`);
    const rows = images.map((image) => {
      const head = Buffer.alloc(6);
      head.writeInt16BE(1);
      head.writeInt32BE(image.length / 2, 2);
      return Buffer.concat([head, Buffer.from(image, 'hex')]);
    });
    const signature = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
    const copy = client.query(copyFrom('copy received (v) from stdin (format binary)'));
    await pipeline(Readable.from([Buffer.concat([signature, ...rows, Buffer.of(0xff, 0xff)])]), copy);
    const result = await client.query(`select encode(${send}(v), 'hex') as image from received order by n`);
    return result.rows.map(({ image }) => image);
  } finally {
    await client.query('drop table if exists received');
    client.release();
  }
}

/** A character that means something in the type's text put in, or one taken away. */
const damage = (value: string, place: number, character: string, taken: number) => {
  const at = place % (value.length + 1);
  return value.slice(0, at) + character + value.slice(at + taken);
};

describe.each(Object.entries(LEGAL))('%s', (type, { encoder, send, value, byHand }) => {
  const compare = async (values: (string | null)[]) => {
    const wanted = await postgresImages(type, send, values);
    return encodeValues(encoder!, values).map((cell, index) => ({ value: values[index], cell, wanted: wanted[index] }));
  };

  test('by hand, as Postgres sends it', async () => {
    for (const { value, cell, wanted } of await compare([null, ...byHand])) {
      expect({ value, image: cell.image, reason: cell.reason }).toEqual({ value, image: wanted, reason: undefined });
    }
  });

  test('as Postgres sends it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(value, { freq: 9 }), { minLength: 1, maxLength: 40 }), async (values) => {
        for (const { value, cell, wanted } of await compare(values)) {
          // Ranges that are made at random may be upside down.
          if (wanted === undefined)
            expect({ value, reason: cell.reason }).toEqual({ value, reason: expect.any(String) });
          else
            expect({ value, image: cell.image, reason: cell.reason }).toEqual({
              value,
              image: wanted,
              reason: undefined,
            });
        }
      }),
      { numRuns: RUNS },
    );
  });

  test('as Postgres receives it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 100 }), async (values) => {
        const images = encodeValues(encoder!, [...values, ...byHand]).flatMap(({ image }) => image ?? []);
        expect(await received(type, send, images)).toEqual(images);
      }),
      { numRuns: 10 },
    );
  });

  // Whether XML is well-formed is for Postgres to say.
  test.skipIf(type === 'xml')('damaged, as Postgres sends it or not at all', async () => {
    const character = fc.oneof(text(''), oneOf(...'0123459 .,:;/-+=<>"\\[](){}eEPTxZ\tABC_@&!?'));
    const damaged = fc.tuple(fc.oneof(value, oneOf(...byHand)), fc.nat(60), character, integer(0, 2));
    await fc.assert(
      fc.asyncProperty(fc.array(damaged, { minLength: 1, maxLength: 40 }), async (changes) => {
        // Postgres itself is inexact with a fraction behind so many seconds.
        const values = changes.map((change) => damage(...change)).filter((one) => !/^P.*\d{10}\.\d/.test(one));
        for (const { value, cell, wanted } of await compare(values)) {
          if (cell.reason === undefined) expect({ value, image: cell.image }).toEqual({ value, image: wanted });
        }
      }),
      { numRuns: RUNS },
    );
  });
});

test.each(ILLEGAL)('%s rejects with %s', (type, reason, ...values) => {
  const cells = encodeValues(LEGAL[type]!.encoder!, values);
  expect(cells.map((cell, index) => [values[index], cell])).toEqual(values.map((value) => [value, { reason }]));
});

describe('hstore from JSON', () => {
  const encoder = hstoreEncoder('json')!;

  test('as Postgres sends the same pairs', async () => {
    const plain = fc.oneof(
      word,
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(word, plain, { maxKeys: 12 }), async (object) => {
        const json = JSON.stringify(object);
        const entries: [string, unknown][] = Object.entries(JSON.parse(json));
        const { rows } = await database.pool.query(
          `select encode(hstore_send(hstore($1::text[], $2::text[])), 'hex') as image`,
          [entries.map(([key]) => key), entries.map(([, value]) => (value === null ? null : String(value)))],
        );
        expect(encodeValues(encoder, [json, null], 'json')).toEqual([{ image: rows[0].image }, { image: null }]);
      }),
      { numRuns: 200 },
    );
  });

  test('keeps every digit of a number', () => {
    const [cell] = encodeValues(encoder, ['{"a": 12345678901234567890.10}'], 'json');
    expect(Buffer.from(cell!.image!, 'hex').toString()).toContain('12345678901234567890.10');
  });

  test.each([
    ['nested_value', '{"a": {"b": 1}}', '{"a": 1, "b": []}', '{"a": [1]}'],
    ['not_an_hstore', '[]', '1', 'null', '"a"'],
    ['invalid_json', '', '{', '{"a"}', '"a"=>"b"'],
    ['nul_in_text', '{"a": "\\u0000"}', '{"\\u0000": 1}'],
    ['invalid_utf8', '{"a": "\\ud800"}'],
  ])('rejects with %s', (reason, ...values) => {
    expect(encodeValues(encoder, values, 'json')).toEqual(values.map(() => ({ reason })));
  });
});

test('what is no text at all is rejected, whichever the type', () => {
  const values = ['a=>\0', 'a=>b'];
  expect(encodeValues(hstoreEncoder('utf8')!, values).map(({ reason }) => reason)).toEqual(['nul_in_text', undefined]);
});

test('a batch is parsed once', () => {
  const seen: string[] = [];
  const encoder = parsed((value) => {
    seen.push(value);
    if (value === 'b') throw new Unfit('b does not fit');
    return Buffer.from(value);
  }, 'unfit');
  expect(encodeValues(encoder, ['a', 'b', null, 'c'])).toEqual([
    { image: '61' },
    { reason: 'unfit' },
    { image: null },
    { image: '63' },
  ]);
  expect(seen).toEqual(['a', 'b', 'c']);
});

test('only text is read', () => {
  const factories: ((kind: Kind) => ColumnEncoder | undefined)[] = [
    (kind) => numericTextEncoder(kind, undefined),
    (kind) => inetEncoder(kind, false),
    (kind) => macaddrEncoder(kind, 6),
    (kind) => bitsEncoder(kind, -1, true),
    (kind) => lsnEncoder(kind),
    (kind) => timetzEncoder(kind, -1),
    (kind) => intervalTextEncoder(kind, -1, true),
    (kind) => rangeEncoder(kind, 'int4'),
    (kind) => multirangeEncoder(kind, 'int4'),
    (kind) => xmlEncoder(kind),
    (kind) => hstoreEncoder(kind),
  ];
  for (const factory of factories) {
    expect(factory('binary')).toBeUndefined();
    expect(factory('int32')).toBeUndefined();
  }
});
