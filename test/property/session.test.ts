import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CONTAINERS, type ContainerName } from '../../jobs/samples/containers.ts';
import { Float, type Picklable, pickle } from '../../jobs/samples/pickle.ts';
import { readAnchor } from '../../src/sources/session/anchor.ts';
import { ElementScanner } from '../../src/sources/session/elements.ts';
import { readPickle } from '../../src/sources/session/pickle.ts';
import { plain } from '../../src/sources/session/plain.ts';
import { Unreadable } from '../../src/sources/session/python.ts';
import { cases } from '../helpers/property.ts';
import { entriesOf, READERS } from '../helpers/session/files.ts';
import { PYTHON_PICKLES } from '../helpers/session/python-pickles.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drayage-session-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const text = fc.string({
  unit: fc.oneof(fc.constantFrom('\ud800', '\udc00', '\0', '\n', "'", '\\', '💧', 'é'), fc.string()),
});
const { value } = fc.letrec<{ value: Picklable }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc
      .bigInt({ min: -(2n ** 130n), max: 2n ** 130n })
      .map((one) => (Number.isSafeInteger(Number(one)) ? Number(one) : one)),
    fc.integer(),
    fc.double(),
    text,
    fc.uint8Array(),
    fc.array(tie('value')),
    fc.dictionary(text, tie('value')),
    fc.uniqueArray(fc.integer()).map((values) => new Set(values)),
  ),
}));

/** The same value as a reader gives it. */
function expected(one: Picklable): unknown {
  if (typeof one === 'number' && !Number.isFinite(one)) return String(one);
  if (one instanceof Uint8Array) return { $base64: Buffer.from(one).toString('base64') };
  if (one instanceof Set) return [...one];
  if (Array.isArray(one)) return one.map(expected);
  if (typeof one !== 'object' || one === null) return one;
  return Object.fromEntries(Object.entries(one).map(([name, inner]) => [name, expected(inner)]));
}

test('every value comes back from a pickle as it went in', () => {
  const property = fc.property(value, fc.constantFrom(2 as const, 4 as const), (one, protocol) => {
    const read = plain(readPickle(pickle(Object.is(one, -0) ? new Float(-0) : one, protocol)));
    expect(JSON.stringify(read, digits)).toBe(JSON.stringify(expected(one), digits));
  });
  fc.assert(property, cases(500));
});

const digits = (_: string, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one);

/** Reads to the end or says why not; never anything else. */
function survives(bytes: Uint8Array): void {
  try {
    readAnchor(bytes);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
  }
}

test('bytes that are no pickle never do harm', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), survives), cases(5000));
});

test('pickles with bytes changed, left out, repeated or put in never do harm', () => {
  const changed = fc
    .tuple(
      fc.constantFrom(...PYTHON_PICKLES),
      fc.array(fc.tuple(fc.nat(), fc.nat(3), fc.uint8Array({ maxLength: 8 })), { maxLength: 6 }),
    )
    .map(([bytes, edits]) => edits.reduce(edited, bytes));
  fc.assert(fc.property(changed, survives), cases(10_000));
});

test('a list of JSON is taken apart the same wherever a piece of it ends', () => {
  const property = fc.property(
    fc.array(fc.jsonValue()),
    fc.array(fc.jsonValue()),
    fc.integer({ min: 1, max: 9 }),
    fc.constantFrom(undefined, 2),
    (listed, others, size, indent) => {
      const scanned = (document: unknown) => {
        const text = JSON.stringify(document, null, indent);
        const scanner = new ElementScanner('file');
        const found: { list: string; value: unknown }[] = [];
        for (let at = 0; at < text.length; at += size) {
          for (const { list, text: one } of scanner.pass(text.slice(at, at + size))) {
            found.push({ list, value: JSON.parse(one) });
          }
        }
        expect(scanner.complete).toBe(true);
        return found;
      };
      const named = (list: string, values: unknown[]) => {
        return values.map((one) => ({ list, value: JSON.parse(JSON.stringify(one)) }));
      };
      expect(scanned(listed)).toEqual(named('file', listed));
      const document = { a: listed, skipped: { inner: [1, '"]'] }, n: 1, 'b"': others };
      expect(scanned(document)).toEqual([...named('a', listed), ...named('b"', others)]);
    },
  );
  fc.assert(property, cases(300));
});

function edited(bytes: Buffer, [at, kind, patch]: [number, number, Uint8Array]): Buffer {
  const place = at % (bytes.length + 1);
  const [before, after] = [bytes.subarray(0, place), bytes.subarray(place)];
  if (kind === 0) return Buffer.concat([before, patch, after.subarray(patch.length)]);
  if (kind === 1) return Buffer.concat([before, after.subarray(patch.length)]);
  if (kind === 2) return Buffer.concat([before, patch, after]);
  return Buffer.concat([before, after.subarray(0, 16), after]);
}

test.each(
  Object.keys(CONTAINERS) as ContainerName[],
)('a %s file with bytes changed is read, or named as damaged', async (name) => {
  const path = join(folder, name);
  const entries = Array.from({ length: 40 }, (_, place) => [`key-${place}`, Buffer.alloc(place * 20, place)] as const);
  CONTAINERS[name](path, entries);
  const { absolute, companions } = READERS[name].open(path);
  const [data, index] = await Promise.all([readFile(absolute), companions[0] ? readFile(companions[0]) : undefined]);
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(3), fc.uint8Array({ maxLength: 8 })), { maxLength: 6 });
  const property = fc.asyncProperty(edits, fc.boolean(), async (changes, inIndex) => {
    await writeFile(absolute, inIndex && index ? data : changes.reduce(edited, data));
    if (index) await writeFile(companions[0]!, inIndex ? changes.reduce(edited, index) : index);
    const outcome = await entriesOf(name, path, folder).catch((error) => error);
    if (!Array.isArray(outcome)) expect(outcome).toMatchObject({ code: 'SOURCE_INVALID', where: { file: path } });
  });
  await fc.assert(property, cases(300));
});
