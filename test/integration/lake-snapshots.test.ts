import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rows } from '../../src/duckdb/scan.ts';
import { LakeCatalog } from '../../src/lake/catalog.ts';
import { Engine } from '../../src/lake/engine.ts';
import { createDuck } from '../helpers/duck.ts';
import { publish } from '../helpers/lake.ts';

const duck = createDuck();
const never = new AbortController().signal;
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'drayage-snapshots-'));
  const file = { dataset: 'ticket', day: '2026-01-30', query: 'select 1 as id' };
  await publish(duck, join(home, 'lake'), 'first', [file]);
});
afterAll(async () => {
  await duck.close();
  await rm(home, { recursive: true, force: true });
});

test('who has read an earlier state of the lake may still ask, beside those who are at it and those who are further', async () => {
  const catalog = new LakeCatalog(join(home, 'lake'), home);
  const engine = await Engine.open(catalog, { threads: 1, memoryMb: 64, home, diskMb: 100 });
  const early = await catalog.read(never);
  const late = { ...early, version: 'late' };
  const ask = (state: typeof early) => engine.open(state, 'select id from ticket', never);
  const first = await ask(early);
  const second = await ask(late);
  const third = await ask(early);
  await first.close();
  expect(await rows(third.connection, third.query)).toEqual([{ id: 1 }]);
  await Promise.all([second.close(), third.close()]);
  await engine.close();
});
