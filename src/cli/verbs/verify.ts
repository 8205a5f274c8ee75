import { EXIT } from '../../base/errors.ts';
import type { NamedDifference, Verification } from '../../runs/verify/report.ts';
import { count, duration, plural } from '../format.ts';
import { type Verb, wholeNumber, withServices } from '../verb.ts';
import { chosenRun } from './rejects.ts';

export const verify: Verb = {
  usage: 'verify [run]',
  summary: 'prove that what a run has read is in its tables, bit for bit (default: the latest run)',
  options: [['--sample <n>', 'also look up so many rows of the source, chosen by chance, and compare field by field']],
  example: 'dray verify 12 --sample 100',
  async run(invocation) {
    const { options, out, signal } = invocation;
    const sample = options.sample === undefined ? 0 : wholeNumber(options.sample, '--sample');
    return withServices(invocation, {}, async (services) => {
      const { verifyRun } = await import('../../runs/verify/verify.ts');
      const verification = await verifyRun(services, await chosenRun(services.db, invocation), { sample, signal });
      out.answer(verification, () => describe(verification));
      return verification.ok ? EXIT.done : EXIT.failures;
    });
  },
};

const METHODS = {
  whole: 'the tables hold what the run has read, and nothing else',
  ledger: 'the tables hold what this run and the other loads into them have read, and nothing else',
  keys: 'row by row, because the tables hold other rows too, or something is wrong',
} as const satisfies Record<Verification['method'], string>;

function describe(verification: Verification): string {
  const { run, job, ok, method, counts, checksum, partitions, differences, sample, notes, seconds } = verification;
  const { read, written, unchanged, superseded, rejected } = counts.rows;
  const lines = [
    `Run ${run} of ${job}: ${ok ? 'verified' : 'NOT as it should be'}, in ${duration(seconds)}`,
    `  method      ${ok || method !== 'keys' ? METHODS[method] : 'row by row, because the sums differ'}`,
    `  rows        ${count(read)} read = ${count(written)} written + ${count(unchanged)} unchanged + ${count(superseded)} superseded + ${count(rejected)} rejected`,
    ...counts.tables.map(({ table, rows }) => `  table       ${table} holds ${plural(rows, 'row')}`),
    `  checksum    source ${checksum.source}, target ${checksum.target}`,
  ];
  for (const key of counts.unaccounted) lines.push(`  counts      ${key}: read is not what became of its rows`);
  for (const { partition, table, missing, different, problem } of partitions) {
    const what = [missing > 0 ? `${count(missing)} missing` : '', different > 0 ? `${count(different)} different` : ''];
    lines.push(`  partition   ${partition}: ${problem ?? `${what.filter(Boolean).join(', ')} in ${table}`}`);
  }
  lines.push(...differences.flatMap(describeDifference));
  if (sample.checked > 0) {
    lines.push(`  sample      ${plural(sample.checked, 'row')} compared field by field, ${sample.different} different`);
    if (differences.length === 0) lines.push(...sample.differences.flatMap(describeDifference));
  }
  for (const note of notes) lines.push(`  note        ${note}`);
  return lines.join('\n');
}

function describeDifference({ table, partition, kind, key, fields }: NamedDifference): string[] {
  const row = Object.entries(key).map(([name, value]) => `${name} ${value}`);
  const head = `  ${kind.padEnd(11)} ${table}, ${row.join(', ')} (${partition})`;
  return [head, ...fields.map((field) => `              ${field.column}: ${describeField(field)}`)];
}

/** Characters that are shown before and behind the place where two texts part. */
const [BEFORE, BEHIND] = [20, 60];

function describeField({ source, target }: NamedDifference['fields'][number]): string {
  if (source === target) return `${quoted(source)} on both sides, and not the same bits`;
  if (source === null || target === null) return `source ${quoted(source)}, target ${quoted(target)}`;
  let from = 0;
  while (source[from] === target[from]) from++;
  const start = from > BEFORE * 2 ? from - BEFORE : 0;
  const part = (text: string) => {
    const piece = text.slice(start, from + BEHIND);
    return `${start > 0 ? '…' : ''}${JSON.stringify(piece)}${text.length > from + BEHIND ? '…' : ''}`;
  };
  return `source ${part(source)}, target ${part(target)}${start > 0 ? `, from character ${from + 1}` : ''}`;
}

function quoted(text: string | null): string {
  return text === null ? 'null' : JSON.stringify(text);
}
