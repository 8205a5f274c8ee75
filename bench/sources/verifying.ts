import { existsSync } from 'node:fs';
import { verifyRun } from '../../src/runs/verify/verify.ts';
import { median } from '../report.ts';
import { makeRows } from '../rows.ts';
import { SCENARIOS } from '../scenarios.ts';
import { inFolder, openSetting, writeJob } from './setting.ts';

const ROWS = 2_000_000;
const heap = SCENARIOS.find(({ name }) => name === 'heap')!;

/** What verifying costs beside the load that it verifies, in the same rounds. */
export async function verifying(rounds: number): Promise<void> {
  const path = inFolder('verified.parquet');
  if (!existsSync(path)) await makeRows(heap.select, ROWS, 122_880, 'zstd', path, inFolder('spill'));
  await writeJob('bench-verify', 'files(path)', 'bench_verify');
  const setting = await openSetting('bench');
  const { pool, services } = setting;
  const worker = await setting.startWorker();
  await pool.query(`drop table if exists bench_verify; create table bench_verify (${heap.table})`);
  const times = { load: [] as number[], verify: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    await pool.query('truncate bench_verify');
    await pool.query('checkpoint');
    const load = await worker.load('bench-verify', { path }, ROWS);
    const { rows } = await pool.query(`select max(id)::int as run from drayage.runs where job = 'bench-verify'`);
    const startedMs = performance.now();
    const { ok } = await verifyRun(services, rows[0].run, { sample: 0, signal: new AbortController().signal });
    if (!ok) throw new Error('the table is not what was loaded');
    // The first round warms up.
    if (round === 0) continue;
    times.load.push(load);
    times.verify.push((performance.now() - startedMs) / 1000);
  }
  const ratio = median(times.verify.map((time, round) => time / times.load[round]!));
  const seconds = `${median(times.verify).toFixed(2)} s of ${median(times.load).toFixed(2)} s`;
  console.log(`Verifying ${ROWS} rows: ${ratio.toFixed(2)} of their load (${seconds}), ${rounds} rounds`);
  await worker.stop();
  await pool.query('drop table bench_verify');
  await setting.close();
}
