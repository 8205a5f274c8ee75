import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { POSTGRES_TYPES } from '../../src/sinks/infer.ts';
import { createDatabase } from '../helpers/database.ts';
import { createDuck } from '../helpers/duck.ts';
import { outMarkdown } from '../helpers/out-types.ts';
import { asMarkdown, typeTable } from '../helpers/type-table.ts';

test('the tables of types in the docs are what the code does', async () => {
  const duck = createDuck();
  const database = await createDatabase();
  try {
    const lines = await typeTable(duck, database.pool);
    const docs = await readFile(join(import.meta.dirname, '../../docs/types.md'), 'utf8');
    const written = docs.split('\n').filter((line) => line.startsWith('|'));
    expect(written.join('\n')).toBe(`${asMarkdown(lines)}\n${await outMarkdown(database.pool)}`);
    // What a table is made up with takes the values that it is made up for.
    for (const { duckdb, inferred, into } of lines) {
      const wanted = inferred === 'numeric(15,2)' ? 'numeric' : inferred.replace('bit varying', 'varbit');
      expect({ duckdb, into: into.split(', ') }).toEqual({ duckdb, into: expect.arrayContaining([wanted]) });
    }
    expect(Object.keys(POSTGRES_TYPES).length).toBeGreaterThan(30);
  } finally {
    await duck.close();
    await database.drop();
  }
});
