import { execFileSync } from 'node:child_process';
import { inFolder, openSetting, sample } from './setting.ts';

const REPORTS = [600, 6000];
const TABLES = 'related_reports, report_routes, reports, reporters, facilities, organisations';

/** Sessions of different sizes, each in one file and with a worker of its own: memory must not grow with them. */
export async function sessions(): Promise<void> {
  const setting = await openSetting('repository');
  for (const reports of REPORTS) {
    const path = inFolder(`civic-${reports}`);
    const made = ['--reports', String(reports), '--files', '1', '--out', path, '--if-missing'];
    execFileSync(process.execPath, [sample('civic.ts'), ...made], { stdio: 'ignore' });
    await setting.pool.query(`drop table if exists ${TABLES} cascade`);
    const worker = await setting.startWorker();
    const seconds = await worker.load('civic-reports', { path });
    const memory = Math.round(worker.peakRssMb);
    console.log(`Session of ${reports} reports: ${seconds.toFixed(1)} s, ${memory} MB`);
    await worker.stop();
  }
  await setting.pool.query(`drop table if exists ${TABLES} cascade`);
  await setting.close();
}
