import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { DuckConnection } from '../../src/duckdb/connection.ts';
import { Duck } from '../../src/duckdb/instance.ts';
import { rows as query } from '../../src/duckdb/scan.ts';
import { quoteLiteral } from '../../src/duckdb/types.ts';

/**
 * Makes legal samples of any number, always the same for the same seed, with the oddities of the real ones: values
 * outside the lists, null and empty optional fields, text in several scripts.
 */
const { values: given } = parseArgs({
  options: {
    rows: { type: 'string', default: '7540' },
    files: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: 'data/legal' },
    'if-missing': { type: 'boolean', default: false },
  },
});

const TOPICS = [
  'Contract Law',
  'Employment Law',
  'Company Law',
  'Data Protection',
  'Property Law',
  'Tort',
  'Insolvency',
  'Tax',
];
const PARTIES = [
  'a supplier',
  'a tenant',
  'an employee',
  'a director',
  'the claimant',
  'a minor',
  'une société',
  '株式会社',
];
const ISSUES = [
  'terminated early',
  'withheld payment',
  'disclosed a secret',
  'missed a deadline',
  'gave a warranty',
  'relied on silence',
];
const REMEDIES = ['damages', 'rescission', 'an injunction', 'specific performance', 'restitution', 'no remedy'];
const DIFFICULTIES = ['basic', 'intermediate', 'advanced', 'expert'];
const JURISDICTIONS = ['uk', 'uk', 'uk', 'us', 'eu', 'international'];
const TYPES = ['case_analysis', 'educational', 'client_interaction', 'statutory_interpretation'];

const list = (texts: readonly string[]) => `[${texts.map(quoteLiteral).join(', ')}]`;
/** A pick that depends on the row, the seed and what it is for. */
const pick = (texts: readonly string[], purpose: string) =>
  `${list(texts)}[1 + (${dice(purpose)} % ${texts.length})::int]`;
const dice = (purpose: string) => `hash(i, ${quoteLiteral(`${given.seed} ${purpose}`)})`;
const chance = (percent: number, purpose: string) => `${dice(purpose)} % 1000 < ${percent * 10}`;

const SAMPLE = `
  'legal-' || lpad(i::varchar, 8, '0') as id,
  'In a dispute about ' || lower(topic) || ', ' || party || ' ' || issue || '. What follows from it?' as question,
  'The court will ask whether ' || party || ' ' || issue || ' in breach of duty; if so, ' || remedy || ' is to be had.'
    || repeat(' The burden of proof lies with the one who asserts.', (${dice('length')} % 9)::int) as answer,
  topic,
  case when ${chance(12.9, 'odd')} then 'foundational' else ${pick(DIFFICULTIES, 'difficulty')} end as difficulty,
  case when ${chance(2, 'no citation')} then null when ${chance(2, 'empty citation')} then ''
    else '[' || (1950 + ${dice('year')} % 75) || '] ' || ${pick(['UKSC', 'EWCA Civ', 'EWHC', 'AC', 'QB'], 'court')} || ' ' || (1 + ${dice('number')} % 400) end as case_citation,
  case when ${chance(1, 'no reasoning')} then null when ${chance(1, 'empty reasoning')} then ''
    else 'First: the duty. Second: the breach, since ' || party || ' ' || issue || '. Third: ' || remedy || ' – “so far as money can do it”.' end as reasoning,
  ${pick(JURISDICTIONS, 'jurisdiction')} as jurisdiction,
  case when ${chance(30, 'batched')} then 'batch-' || (${dice('batch')} % 20) end as batch_id,
  ${pick(TYPES, 'type')} as sample_type`;

async function writeFile(connection: DuckConnection, path: string, first: number, last: number): Promise<void> {
  const base = `select i, ${pick(TOPICS, 'topic')} as topic, ${pick(PARTIES, 'party')} as party,
    ${pick(ISSUES, 'issue')} as issue, ${pick(REMEDIES, 'remedy')} as remedy from range(${first}, ${last}) t(i)`;
  // Small row groups, so that even a small data set is cut into several.
  const groupRows = last - first > 100_000 ? 122_880 : 2_048;
  await query(
    connection,
    `copy (select ${SAMPLE} from (${base}) order by i) to ${quoteLiteral(path)} (format parquet, compression zstd, row_group_size ${groupRows})`,
  );
}

const [total, count] = [Number(given.rows), Number(given.files)];
const pathOf = (file: number) =>
  join(given.out, `train-${String(file).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.parquet`);
if (given['if-missing'] && existsSync(pathOf(0))) process.exit(0);

await mkdir(given.out, { recursive: true });
const duck = new Duck({ memoryMb: 512, threads: 2, spillDirectory: join(given.out, '.spill') });
await duck.use(async (connection) => {
  for (let file = 0; file < count; file++) {
    const bound = (index: number) => Math.floor((total * index) / count);
    await writeFile(connection, pathOf(file), bound(file), bound(file + 1));
  }
});
await duck.close();
console.error(`Sample data: ${total} rows in ${count} files in ${given.out}`);
