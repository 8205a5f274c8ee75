import type { RunReport, TableCount } from '../runs/report.ts';
import { bytes, count, duration, plural, state } from './format.ts';

const WARNINGS_SHOWN = 10;

/** A run in a few lines: how it stands, the account of its rows, what is wrong, what to do next. */
export function describeRun(report: RunReport, tables: readonly TableCount[] = []): string {
  const { run, job, partitions, rows } = report;
  const lines = [`Run ${run} of ${job}: ${state(report.state)}`, `  partitions  ${describePartitions(report)}`];
  if (report.reason) lines.push(`  reason      ${report.reason}`);
  if (report.phase) lines.push(`  phase       ${report.phase}`);
  if (partitions.total > 0 && partitions.skipped === partitions.total) {
    lines.push('  rows        every partition is unchanged since it was loaded: nothing was read');
  } else {
    const parts = [`${count(rows.written)} written`];
    if (rows.unchanged > 0) parts.push(`${count(rows.unchanged)} unchanged`);
    if (rows.superseded > 0) parts.push(`${count(rows.superseded)} superseded by a later row of the same key`);
    parts.push(`${count(rows.rejected)} rejected`);
    if (rows.deleted > 0) parts.push(`and ${count(rows.deleted)} deleted that the source no longer has`);
    lines.push(`  rows        ${count(rows.read)} read = ${parts.join(' + ').replace(' + and ', ', and ')}`);
    lines.push(`  speed       ${count(report.rows_per_second)} rows/s over ${duration(report.seconds)}`);
  }
  for (const { table, rows: held, exact } of tables) {
    lines.push(`  table       ${table} holds ${exact ? '' : 'about '}${plural(held, 'row')}`);
  }
  lines.push(...describeLake(report));
  for (const { table, column, loss, rows: changed } of report.coercions) {
    lines.push(`  allowed     ${loss} changed ${plural(changed, 'row')} in ${table}.${column}`);
  }
  for (const { partition, row, message } of report.warnings.slice(0, WARNINGS_SHOWN)) {
    lines.push(`  warning     ${partition}${row === null ? '' : ` record ${row}`}: ${message}`);
  }
  const more = report.warnings.length - WARNINGS_SHOWN;
  if (more > 0) lines.push(`  warning     and ${more} more: see drayage.partition_progress`);
  if (report.checksum && rows.read > 0) lines.push(`  checksum    ${report.checksum}`);
  if (report.verification) {
    const { ok, verified_at } = report.verification;
    lines.push(`  verified    ${ok ? 'bit for bit' : 'NOT as it should be'}, at ${verified_at.toISOString()}`);
  }
  lines.push(...describeErrors(report));
  return [...lines, ...nextSteps(report)].join('\n');
}

/** Partitions that failed of the same cause in one line; they differ in the coordinates, which come last. */
function describeErrors({ errors, partitions }: RunReport): string[] {
  const groups = Map.groupBy(errors, ({ partition, message }) =>
    partition ? message.split(' Where: ')[0]! : partition,
  );
  const lines = [...groups.values()].map(([first, ...others]) => {
    const { partition, message } = first!;
    const which = others.length > 0 ? `${partition} and ${others.length} more` : partition;
    return `  failed      ${which ? `${which}: ` : ''}${message}`;
  });
  const unseen = partitions.failed - errors.filter(({ partition }) => partition).length;
  if (unseen > 0) lines.push(`  failed      and ${plural(unseen, 'partition')} more: see drayage.partition_progress`);
  return lines;
}

function describeLake({ lake, state: name }: RunReport): string[] {
  if (!lake) return [];
  if (!lake.manifest) {
    const unfinished = name === 'failed' || name === 'cancelled';
    const what = unfinished ? 'nothing was published, since a run is as a whole or not at all' : 'nothing new';
    return [`  lake        ${lake.root}: ${what}`];
  }
  const lines = lake.datasets.map(({ dataset, files, rows, bytes: size }) => {
    return `  dataset     ${dataset} has ${plural(rows, 'row')} more, in ${plural(files, 'file')} of ${bytes(size)}`;
  });
  return [`  lake        ${lake.root}, published as ${lake.manifest}`, ...lines];
}

function describePartitions({ partitions }: RunReport): string {
  const { total, ...states } = partitions;
  const parts = Object.entries(states).filter(([, number]) => number > 0);
  return `${plural(total, 'partition')}: ${parts.map(([name, number]) => `${count(number)} ${name}`).join(', ') || 'none yet'}`.replace(
    /^([\d,]+) partitions?: /,
    '$1: ',
  );
}

function nextSteps({ run, state: name, rows, partitions, lake }: RunReport): string[] {
  const steps: string[] = [];
  const look = lake
    ? `"dray query --lake ${lake.root} 'SHOW TABLES'" looks into the lake, "dray serve" shows the run`
    : `"dray verify ${run}" proves it, "dray serve" shows it, "dray db open" lets psql look`;
  if (name === 'succeeded') steps.push(`  next        ${look}`);
  if (rows.rejected > 0) steps.push(`  next        "dray rejects ${run}" shows the rejected rows and why`);
  if (name === 'failed' && partitions.failed > 0) {
    steps.push(`  next        mend the cause; then "dray retry ${run}" takes up what has failed`);
  }
  if (name === 'paused' && partitions.failed > 0)
    steps.push(`  next        mend the cause; "dray retry ${run}" puts what has failed into the queue again`);
  if (name === 'paused') steps.push(`  next        "dray resume ${run}" lets it go on, "dray cancel ${run}" ends it`);
  else if (partitions.pending + partitions.running > 0)
    steps.push('  next        "dray work" goes on with what is left');
  return steps;
}
