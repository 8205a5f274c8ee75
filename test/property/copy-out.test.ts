import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import type { ClientBase, Connection, Submittable } from 'pg';
import { expect, test } from 'vitest';
import { copyOut } from '../../src/postgres/copy-out.ts';
import { cases } from '../helpers/property.ts';

const HEAD = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');

function message(letter: string, content: Buffer): Buffer {
  const head = Buffer.from(`${letter}\0\0\0\0`);
  head.writeInt32BE(4 + content.length, 1);
  return Buffer.concat([head, content]);
}

/** What the server sends for a COPY of these rows, and behind it. */
function sent(rows: readonly Buffer[]): Buffer {
  const [first = Buffer.alloc(0), ...others] = rows.map((row) => Buffer.concat([Buffer.from([0, 1]), row]));
  const copied = [message('d', Buffer.concat([HEAD, first])), ...others.map((row) => message('d', row))];
  return Buffer.concat([message('N', Buffer.from('a notice')), ...copied, message('d', Buffer.from([0xff, 0xff]))]);
}

test('rows arrive whole, wherever the network has cut what was sent', async () => {
  const row = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
  const end = message('c', Buffer.alloc(0));
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 30 }),
      fc.array(fc.nat(2000), { maxLength: 40 }),
      async (rows, places) => {
        const stream = new EventEmitter();
        const handedOn: Buffer[] = [];
        stream.on('data', (bytes: Buffer) => handedOn.push(bytes));
        const client = {
          query: (copy: Submittable) => copy.submit({ stream, query: () => undefined } as unknown as Connection),
        } as unknown as ClientBase;
        const found: Buffer[] = [];
        const outcome = copyOut(client, 'select', (bytes, _, start, stop) => {
          found.push(Buffer.from(bytes.subarray(start + 2, stop)));
        });
        outcome.catch(() => undefined);
        const all = Buffer.concat([sent(rows), end]);
        const cuts = [...new Set([0, ...places.map((place) => place % all.length), all.length])].sort((a, b) => a - b);
        for (const [index, cut] of cuts.slice(1).entries()) stream.emit('data', all.subarray(cuts[index], cut));
        expect(found).toEqual(rows);
        expect(Buffer.concat(handedOn)).toEqual(Buffer.concat([message('N', Buffer.from('a notice')), end]));
      },
    ),
    cases(500),
  );
});
