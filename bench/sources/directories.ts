import { execFileSync } from 'node:child_process';
import { median } from '../report.ts';
import { inFolder, openSetting, sample } from './setting.ts';

const RUNS = 3000;
const TABLES = '"OpportunityCard", "StageOutput", "InspirationReport", "Run", "User"';

/** Directories of runs into the five tables of `pipeline-runs`, from the start of planning to the last commit. */
export async function directories(rounds: number): Promise<void> {
  const path = inFolder(`runs-${RUNS}`);
  const made = ['--runs', String(RUNS), '--out', path, '--if-missing'];
  execFileSync(process.execPath, [sample('pipeline-runs.ts'), ...made], { stdio: 'ignore' });
  const setting = await openSetting('repository');
  const worker = await setting.startWorker();
  const perMinute: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await setting.pool.query(`drop table if exists ${TABLES} cascade`);
    perMinute.push((RUNS / (await worker.load('pipeline-runs', { path }))) * 60);
    const { rows } = await setting.pool.query('select count(*)::int as runs from "Run"');
    if (rows[0].runs !== RUNS) throw new Error(`${rows[0].runs} of ${RUNS} runs were loaded`);
  }
  const memory = Math.round(worker.peakRssMb);
  console.log(`Run directories: ${Math.round(median(perMinute))} a minute, ${rounds} rounds of ${RUNS} (${memory} MB)`);
  await worker.stop();
  await setting.pool.query(`drop table ${TABLES} cascade`);
  await setting.close();
}
