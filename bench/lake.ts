import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../src/base/config.ts';
import { joinEmbedded } from '../src/postgres/embedded.ts';
import { createPool } from '../src/postgres/pool.ts';
import { ensureSchema, openQueue, openServices } from '../src/runs/services.ts';
import { MEASURES, type Measure, type Road, writeJobs } from './lake-roads.ts';
import { median } from './report.ts';
import { BenchWorker } from './worker.ts';

/**
 * Into a lake and out of it, beside what `psql` and plain DuckDB take, in one run and interleaved: measure by measure, so
 * that each has a worker of its own. What came back is held against what went out.
 *
 *   --only NAME   one measure, or several: out, back, csv, wide, wide-days, wide-back
 *   --repeat N    rounds, beside the one that warms everything
 *   --scale S     of the rows
 */
const { values: given } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    repeat: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
  },
});
const measures = MEASURES.filter(({ name }) => given.only?.includes(name) ?? true);
const MEMORY_MB = 500;

const home = join(import.meta.dirname, '../.drayage/bench-lake');
const folder = join(home, 'project');
await rm(folder, { recursive: true, force: true });
await mkdir(join(folder, 'jobs'), { recursive: true });
await writeJobs(folder);
const embedded = process.env.DATABASE_URL ? undefined : await joinEmbedded(home);
const url = process.env.DATABASE_URL ?? embedded!.url;
const pool = createPool(url, { max: 1, applicationName: 'dray bench' });
// What a benchmark that was cut short has left in the queue would be done first.
if (embedded) await pool.query('drop schema if exists drayage, pgboss cascade');
const config = readConfig({ ...process.env, DATABASE_URL: url }, folder);
const services = await openServices(config);
await ensureSchema(services);
const boss = await openQueue(services, { supervise: false });

/** The first round warms everything. */
async function measured(roads: readonly Road[]): Promise<number[][]> {
  const found: number[][] = roads.map(() => []);
  for (let round = 0; round <= Number(given.repeat); round++) {
    for (const [index, { take }] of roads.entries()) {
      const seconds = await take();
      if (round > 0) found[index]!.push(seconds);
      process.stderr.write('.');
    }
  }
  return found;
}

async function measure({ name, bound, setUp }: Measure): Promise<string> {
  const worker = await BenchWorker.start(services, boss, config);
  const scale = Number(given.scale);
  const { roads, proof } = await setUp({ pool, url, folder, worker, scale });
  const [drayage, other] = await measured(roads);
  const told = await proof?.();
  await worker.stop();
  // Round by round, so that a slow minute of the machine weighs on both sides.
  const ratio = median(drayage!.map((seconds, round) => seconds / other![round]!));
  const missed = (bound !== undefined && ratio > bound) || worker.peakRssMb > MEMORY_MB;
  const [own, over] = roads.map(({ peakMb }) => peakMb?.());
  return [
    name,
    `${median(drayage!).toFixed(2)} s`,
    `${roads[1]!.name} (${median(other!).toFixed(2)} s)`,
    `${ratio.toFixed(2)}${bound === undefined ? '' : ` (≤ ${bound})`}${missed ? ' MISSED' : ''}`,
    `${Math.round(own ?? worker.peakRssMb)} MB (≤ ${MEMORY_MB})`,
    over === undefined ? '' : `${Math.round(over)} MB`,
    told ?? '',
  ].join(' | ');
}

const lines: string[] = [];
for (const one of measures) lines.push(await measure(one));
process.stderr.write('\n');
console.log(
  '| measure | Drayage | over | ratio | memory | its memory | came back |\n|---|---:|---|---:|---:|---:|---|',
);
for (const line of lines) console.log(`| ${line} |`);

await rm(folder, { recursive: true, force: true });
for (const { tables } of MEASURES) for (const table of tables) await pool.query(`drop table if exists ${table}`);
await services.closers.close();
await pool.end();
await embedded?.leave();
