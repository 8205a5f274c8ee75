import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { type Container, damaged, LARGEST_ENTRY, tooLarge } from './container.ts';
import { ElementScanner } from './elements.ts';

/**
 * Nodes that a program has written out as JSON itself: a list of objects of one type, which is named by the file
 * (`reports.json` holds objects of type Report), or an object with such a list for each type.
 */
export const exported: Container = {
  name: 'JSON',

  async *entries(file) {
    const scanner = new ElementScanner(basename(file.path).replace(/\.json$/i, ''));
    const counts = new Map<string, number>();
    for await (const piece of createReadStream(file.absolute, { encoding: 'utf8' }) as AsyncIterable<string>) {
      for (const { list, text, length } of scanner.pass(piece)) {
        const number = (counts.get(list) ?? 0) + 1;
        counts.set(list, number);
        const key = `${list}[${number}]`;
        yield length > LARGEST_ENTRY ? tooLarge(key, length) : { key, content: text, type: typeOf(list) };
      }
    }
    if (!scanner.complete) throw damaged(file.path, 'its JSON ends in the middle of a value');
  },
};

/** `reports` holds objects of type Report. */
function typeOf(list: string): string {
  const singular = list.replace(/s$/i, '');
  return singular.charAt(0).toUpperCase() + singular.slice(1);
}
