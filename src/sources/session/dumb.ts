import { createReadStream } from 'node:fs';
import { type Container, damaged, type Entry, LARGEST_ENTRY, Reader, tooLarge } from './container.ts';
import { parseLiteral } from './python.ts';

/** A line of the index holds a key and two numbers. */
const LONGEST_LINE = 64 * 1024;

/**
 * `dbm.dumb`, which Python falls back to: values one behind the other in `.dat`, and in `.dir` a line for each with its
 * key, place and size.
 * Format: https://docs.python.org/3/library/dbm.html#module-dbm.dumb
 */
export const dumb: Container = {
  name: 'dbm.dumb',

  async *entries(file) {
    const index = file.companions[0]!;
    const reader = await Reader.open(file);
    let number = 0;
    try {
      for await (const line of linesOf(index, file.path)) {
        number++;
        if (line.trim() !== '') yield await readEntry(line, number, reader);
      }
    } finally {
      await reader.close();
    }
  },
};

async function readEntry(line: string, number: number, reader: Reader): Promise<Entry> {
  const [, literal, place, size] = /^(.*), \((\d{1,15}), (\d{1,15})\)\s*$/s.exec(line) ?? [];
  const key = literal === undefined ? undefined : parseLiteral(literal);
  if (key === undefined) throw reader.damaged(`line ${number} of its index is no key with a place and a size`);
  reader.claim(Number(size));
  // The index has the key's bytes, each as one character.
  const name = Buffer.from(key, 'latin1').toString('utf8');
  if (Number(size) > LARGEST_ENTRY) return tooLarge(name, Number(size));
  return { key: name, content: await reader.read(Number(place), Number(size)) };
}

async function* linesOf(index: string, path: string): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of createReadStream(index, { encoding: 'latin1' }) as AsyncIterable<string>) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop()!;
    if (rest.length > LONGEST_LINE) throw damaged(path, 'its index is none');
    yield* lines;
  }
  if (rest !== '') yield rest;
}
