import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lake } from 'drayage';
import { Duck } from '../src/duckdb/instance.ts';
import { describe, rows } from '../src/duckdb/scan.ts';
import { formatManifest, type LakeFile, manifestPath } from '../src/model/manifest.ts';
import { median } from './report.ts';

/**
 * What questions to a lake cost: the queries of support over five million tickets with their sentiments and entities, and
 * analytics over 10,000 rows of 1,600 columns. Cold is a new Lake, which has read nothing; cached is the same question
 * once more. Bounds: a second cold, 10 ms cached, 500 MB of memory for the process that asks.
 */
const TICKETS = 5_000_000;
const DAYS = 100;
const PER_DAY = TICKETS / DAYS;
const WIDE_ROWS = 10_000;
const WIDE_COLUMNS = 1_600;
/** As the sink writes them: four million cells. */
const WIDE_GROUP = 2_500;
const ROUNDS = 5;

const home = join(import.meta.dirname, '../.drayage/bench-lake-queries');
const root = join(home, 'lake');
const QUERIES = join(import.meta.dirname, '../sql/queries');

/** A number that looks like any other, and follows from the row's. */
const some = (seed: number) => `(hash(i, ${seed}) >> 2)::bigint`;

const DAY = (day: number) => `timestamptz '2026-01-01 00:00:00+00' + interval ${day} day`;
const SECONDS = `${some(1)} % 86400 * interval 1 second`;
const one = (seed: number, ...values: string[]) =>
  `[${values.map((value) => `'${value}'`)}][1 + ${some(seed)} % ${values.length}]`;
const SCORE = `((${some(9)} % 20001 - 10000) / 10000)::decimal(5,4)`;
const rowsOf = (day: number) => `range(${day * PER_DAY}, ${(day + 1) * PER_DAY}) t(i)`;

/** The datasets of the job support-ingest, a day each; everything about a ticket follows from its number. */
const DATASETS: Record<string, (day: number) => string> = {
  ticket: (
    day,
  ) => `select format('T-{:07d}', i) as ticket_id, ${DAY(day)} + ${SECONDS} as opened_at, opened_at as first_message_at,
    opened_at + ${some(8)} % 700000 * interval 1 second as last_message_at,
    'Order ' || ${some(6)} % 1000000 || ' arrived ' || ${one(7, 'late', 'broken', 'twice', 'never')} as subject,
    ${one(2, 'Parcel', 'Freight', 'Customs', 'Warehouse', 'Invoice')} as product, ${one(5, 'email', 'chat', 'phone', 'form')} as channel,
    ${one(3, 'low', 'normal', 'high', 'urgent')} as priority, ${one(4, 'open', 'pending', 'solved', 'closed')} as status,
    (1 + ${some(13)} % 6)::integer as messages, (messages + 1) // 2 as customer_messages, messages as scored_messages,
    (${SCORE} * messages)::decimal(14,4) as score_sum, ${SCORE} as score_min, ${SCORE} as score_max, ${SCORE} as score_first,
    ${SCORE} as score_last, if(score_sum < 0, 1, 0) as negative_messages, (2 * messages)::integer as entities from ${rowsOf(day)}`,
  sentiment: (
    day,
  ) => `select format('T-{:07d}-1', i) as message_id, format('T-{:07d}', i) as ticket_id, ${DAY(day)} + ${SECONDS} as sent_at,
    'customer' as author, ${one(5, 'email', 'chat', 'phone', 'form')} as channel,
    ${one(2, 'Parcel', 'Freight', 'Customs', 'Warehouse', 'Invoice')} as product, ${one(14, 'en', 'de', 'ja')} as language,
    'Where is order ' || ${some(6)} % 1000000 || '?' as text, ${SCORE} as score, case when score < -0.25 then 'negative' when score > 0.25 then 'positive'
    else 'neutral' end as label, 0.9::decimal(5,4) as confidence from ${rowsOf(day)} where i % 5 = 0`,
  entity: (
    day,
  ) => `select format('T-{:07d}-1', i) as message_id, format('T-{:07d}', i) as ticket_id, ${DAY(day)} + ${SECONDS} as sent_at,
    1 as ordinal, ${one(10, 'person', 'place', 'product')} as type, type || ' ' || ${some(11)} % 500 as text, lower(text) as normalized,
    0 as start_offset, 9 as end_offset, 0.9::decimal(5,4) as confidence from ${rowsOf(day)} where i % 5 < 2`,
};
const wide = `select i as id, ${Array.from({ length: WIDE_COLUMNS - 1 }, (_, index) => wideColumn(index)).join(', ')} from range(${WIDE_ROWS}) t(i)`;

function wideColumn(index: number): string {
  const name = `f${String(index).padStart(4, '0')}`;
  if (index % 4 === 0) return `'v' || ${some(index)} % 50 as ${name}`;
  return index % 4 === 1 ? `(${some(index)} % 100000)::int as ${name}` : `${some(index)} % 100000 / 1000 as ${name}`;
}

async function make(): Promise<void> {
  await rm(home, { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  const duck = new Duck({ memoryMb: 1000, threads: 2, spillDirectory: join(home, 'spill') });
  const files: LakeFile[] = [];
  const write = async (dataset: string, day: number, query: string) => {
    const at = new Date(Date.UTC(2026, 0, 1 + day)).toISOString();
    const path = `${dataset}/year=${at.slice(0, 4)}/month=${at.slice(5, 7)}/day=${at.slice(8, 10)}/job_${day}.parquet`;
    const file = join(root, path);
    await mkdir(join(file, '..'), { recursive: true });
    await duck.use(async (connection) => {
      const [written] = await rows(
        connection,
        `copy (${query}) to '${file}' (format parquet, compression snappy, row_group_size ${dataset === 'wide' ? WIDE_GROUP : 122_880})`,
      );
      const bytes = await readFile(file);
      const checksum = createHash('sha256').update(bytes).digest('hex');
      const columns = (await describe(connection, query)).map(({ name, type }) => ({ name, type }));
      const source = { partition: String(day), fingerprint: `${dataset} ${day}` };
      files.push({ dataset, path, rows: Number(written!.Count), bytes: bytes.length, checksum, columns, source });
    });
  };
  for (let day = 0; day < DAYS; day++) {
    for (const [dataset, query] of Object.entries(DATASETS)) await write(dataset, day, query(day));
  }
  await write('wide', 0, wide);
  await duck.close();
  const head = { version: 1, run: 'bench', job: 'bench', published: new Date().toISOString() } as const;
  await mkdir(join(root, '_manifest'));
  await writeFile(join(root, manifestPath('bench')), formatManifest({ ...head, files, removes: [] }));
}

async function questions(): Promise<{ name: string; sql: string; params: Record<string, string> }[]> {
  const period = { from: '2026-01-01', until: '2027-01-01' };
  const params: Record<string, Record<string, string>> = {
    'support-analytics': period,
    'support-report': period,
    'support-search': { ...period, text: 'product 42', limit: '50' },
    'support-ticket': { id: 'T-4321000' },
  };
  const named = Object.keys(params).map(async (name) => {
    return { name, sql: await readFile(join(QUERIES, `${name}.sql`), 'utf8'), params: params[name]! };
  });
  const numbers = `columns(c -> c like 'f%' and c[5] in ('1', '3', '5', '7', '9'))`;
  const wide = [
    { name: 'wide: average of 799 numbers', sql: `select avg(${numbers}) from wide` },
    { name: 'wide: the same by a text', sql: `select f0000, avg(${numbers}) from wide group by f0000` },
    { name: 'wide: one row of 1,600 columns', sql: 'select * from wide where id = 7777' },
  ];
  return [...(await Promise.all(named)), ...wide.map((one) => ({ ...one, params: {} }))];
}

/** In a process of its own, so that its memory is that of this question. */
async function ask(name: string): Promise<void> {
  const { sql, params } = (await questions()).find((one) => one.name === name)!;
  const [cold, cached]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    const lake = new Lake({ root, home: join(home, 'cache') });
    for (const times of [cold, cached]) {
      const startedMs = performance.now();
      await lake.query(sql, params);
      times.push(performance.now() - startedMs);
    }
    await lake.close();
  }
  const peakMb = process.resourceUsage().maxRSS / 1000;
  const cells = [name, `${median(cold).toFixed(0)} ms`, `${median(cached).toFixed(2)} ms`, `${peakMb.toFixed(0)} MB`];
  console.log(`| ${cells.join(' | ')} |`);
}

if (process.argv[2]) await ask(process.argv[2]);
else {
  if (!existsSync(join(root, manifestPath('bench')))) await make();
  console.log('| question | cold (≤ 1000 ms) | cached (≤ 10 ms) | peak memory (≤ 500 MB) |\n|---|---:|---:|---:|');
  for (const { name } of await questions()) {
    execFileSync(process.execPath, [import.meta.filename, name], { stdio: 'inherit' });
  }
}
