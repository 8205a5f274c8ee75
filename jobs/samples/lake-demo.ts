import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Shows a lake from end to end: support messages of three formats go in, questions come out, the datasets become tables
 * of Postgres and from there another lake, which holds the same.
 */
const LAKE = '.drayage/demo-lake';
const COPY = '.drayage/demo-lake-copy';
const MOOD = `select product, count(*) as tickets, round(sum(score_sum) / sum(scored_messages), 3) as mood,
  sum(negative_messages) as negative from ticket group by all order by mood`;
const PLACES = `select normalized as place, count(distinct ticket_id) as tickets from entity where type = 'place'
  group by all order by tickets desc limit 5`;

const tell = (text: string) => console.log(`\n── ${text}`);

try {
  for (const lake of [LAKE, COPY]) await rm(lake, { recursive: true, force: true });
  tell('Messages of support tickets as CSV, JSON and JSON Lines');
  await run('jobs/samples/support.ts', '--if-missing');
  tell('Into the lake, as one publication');
  await run('src/cli/bin.js', 'run', 'support-ingest', '--param', `lake=${LAKE}`);
  tell('Once more: nothing has changed, so nothing is written');
  await run('src/cli/bin.js', 'run', 'support-ingest', '--param', `lake=${LAKE}`);
  tell('How customers feel, by product');
  await run('src/cli/bin.js', 'query', '--lake', LAKE, MOOD);
  tell('The places that they write about');
  await run('src/cli/bin.js', 'query', '--lake', LAKE, PLACES);
  tell('From the lake into tables of Postgres');
  await run('src/cli/bin.js', 'run', 'support-restore', '--param', `lake=${LAKE}`);
  tell('From the tables into another lake');
  await run('src/cli/bin.js', 'run', 'support-archive', '--param', `lake=${COPY}`);
  tell('Rows and checksums of both lakes');
  for (const dataset of ['sentiment', 'ticket', 'entity']) {
    const [first, copy] = [await checksumOf(LAKE, dataset), await checksumOf(COPY, dataset)];
    console.log(`${dataset.padEnd(10)} ${first} ${first === copy ? '=' : '≠'} ${copy}`);
    if (first !== copy) throw new Error(`the lakes differ in ${dataset}`);
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

/** Independent of the order of rows: the exclusive or of a hash of each. */
async function checksumOf(lake: string, dataset: string): Promise<string> {
  const sql = `select count(*) || ' rows, ' || hex(bit_xor(hash(row))) as sum from (select ${dataset} as row from ${dataset})`;
  const answer = await run('src/cli/bin.js', 'query', '--lake', lake, '--format', 'csv', sql);
  return answer.split('\n')[1]!.replaceAll('"', '');
}

/** Runs a script. @returns what it answers, which is shown unless it is a checksum */
function run(script: string, ...args: string[]): Promise<string> {
  const quiet = args.includes('csv');
  const stdio = ['inherit', quiet ? 'pipe' : 'inherit', 'inherit'] as const;
  const child = spawn(process.execPath, [join(import.meta.dirname, '../..', script), ...args], { stdio: [...stdio] });
  let answer = '';
  child.stdout?.on('data', (piece) => {
    answer += piece;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(answer);
      else reject(new Error(`${script} ${args.join(' ')} ended with ${code}`));
    });
  });
}
