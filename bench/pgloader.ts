import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** pgloader on the CSV file; undefined, with a notice, where it is not installed. */
export async function pgloaderRoad(
  url: string,
  table: string,
  csv: string,
): Promise<(() => Promise<unknown>) | undefined> {
  const installed = await run('pgloader', ['--version']).then(
    () => true,
    () => false,
  );
  if (installed) return () => run('pgloader', ['--type', 'csv', csv, `${url}?tablename=${table}`]);
  process.stderr.write('pgloader is not installed, and is left out.\n');
  return undefined;
}
