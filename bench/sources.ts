import { parseArgs } from 'node:util';
import { directories } from './sources/directories.ts';
import { dynamo } from './sources/dynamo.ts';
import { lines } from './sources/lines.ts';
import { listing, parquetBytes } from './sources/s3.ts';
import { sessions } from './sources/sessions.ts';
import { verifying } from './sources/verifying.ts';

/** What sources cost, each beside what it is measured by; see docs/benchmarks.md. */
const { values: given } = parseArgs({
  options: { only: { type: 'string', multiple: true }, rounds: { type: 'string', default: '3' } },
});
const rounds = Number(given.rounds);
const MEASURES: Readonly<Record<string, () => Promise<void>>> = {
  lines: () => lines(rounds),
  parquet: parquetBytes,
  listing,
  directories: () => directories(rounds),
  sessions,
  dynamo,
  verify: () => verifying(rounds),
};
for (const [name, measure] of Object.entries(MEASURES)) if (given.only?.includes(name) ?? true) await measure();
