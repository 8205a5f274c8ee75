import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { rows as query } from '../../src/duckdb/scan.ts';
import { median } from '../report.ts';
import { SCENARIOS } from '../scenarios.ts';
import { inFolder, openContext, openSetting, writeJob } from './setting.ts';

const ROWS = 500_000;
const heap = SCENARIOS.find(({ name }) => name === 'heap')!;
const TYPES = `{ id: 'BIGINT', quantity: 'INTEGER', product: 'INTEGER', price: 'DECIMAL(15,2)', weight: 'DOUBLE',
  customer: 'VARCHAR', note: 'VARCHAR', day: 'DATE', at: 'TIMESTAMP', paid: 'BOOLEAN', token: 'UUID' }`;

/** JSON Lines beside `psql \copy` of the same rows as CSV, interleaved. */
export async function lines(rounds: number): Promise<void> {
  const [jsonl, csv] = [inFolder('orders.jsonl'), inFolder('orders.csv')];
  const context = await openContext();
  const made = `select ${heap.select} from range(${ROWS}) t(i)`;
  await context.duck.use(async (connection) => {
    await query(connection, `copy (${made}) to '${jsonl}' (format json)`);
    await query(connection, `copy (${made}) to '${csv}' (format csv, header false)`);
  });
  await context.close();
  await writeJob('bench-lines', `files(path, { columns: ${TYPES} })`, 'bench_lines');
  const setting = await openSetting('bench');
  const { pool, url } = setting;
  const worker = await setting.startWorker();
  await pool.query(`drop table if exists bench_lines; create table bench_lines (${heap.table})`);
  const psql = async () => {
    const startedMs = performance.now();
    await promisify(execFile)('psql', [url, '-qXc', `\\copy bench_lines from '${csv}' (format csv)`]);
    return (performance.now() - startedMs) / 1000;
  };
  const roads = { psql, drayage: () => worker.load('bench-lines', { path: jsonl }, ROWS) };
  const times = { psql: [] as number[], drayage: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    for (const road of ['psql', 'drayage'] as const) {
      await pool.query('truncate bench_lines');
      await pool.query('checkpoint');
      const seconds = await roads[road]();
      // The first round warms up.
      if (round > 0) times[road].push(seconds);
    }
  }
  const perSecond = (seconds: number) => Math.round(ROWS / seconds);
  const [theirs, ours] = [median(times.psql), median(times.drayage)];
  const ratio = median(times.psql.map((time, round) => time / times.drayage[round]!));
  const memory = Math.round(worker.peakRssMb);
  console.log(`JSON Lines: ${perSecond(ours)} rows/s (${ours.toFixed(2)} s, ${memory} MB)`);
  console.log(
    `psql \\copy of CSV: ${perSecond(theirs)} rows/s (${theirs.toFixed(2)} s); ratio ${ratio.toFixed(2)}, ${rounds} rounds`,
  );
  await worker.stop();
  await pool.query('drop table bench_lines');
  await setting.close();
}
