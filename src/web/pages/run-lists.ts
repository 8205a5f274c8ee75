import { count, plural } from '../../base/format.ts';
import type { RunCoercion } from '../../control/coercions.ts';
import type { PartitionProgress } from '../../control/partition-list.ts';
import type { listRejectPage, RejectGroup } from '../../control/rejects.ts';
import type { ListedRun } from '../../control/run-list.ts';
import { type Content, type Html, html } from '../html.ts';
import { address, bar, number, table, time } from './parts.ts';

export type Rejects = Awaited<ReturnType<typeof listRejectPage>>;

export const partitionLink = ({
  run,
  partition_id,
  partition,
}: Pick<PartitionProgress, 'run' | 'partition_id' | 'partition'>) =>
  html`<a href="/runs/${run}/partitions/${partition_id}" class="path">${partition}</a>`;

export function runningSection(
  { run, partitions_running }: ListedRun,
  running: readonly PartitionProgress[],
): Html | false {
  if (running.length === 0) return html`<section id="running" data-part hidden></section>`;
  const list = table(
    running,
    [
      { title: 'Partition', cell: partitionLink, wide: true },
      { title: 'Rows read', cell: rowsRead },
      { title: 'Attempt', cell: ({ attempt }) => attempt, figures: true },
      { title: 'Time', cell: ({ seconds }) => time(seconds), figures: true },
    ],
    'Partitions that are being loaded',
  );
  const more = partitions_running > running.length;
  return html`<section id="running" data-part><h2>Running now</h2>${list}${more && html`<p><a href="${address(`/runs/${run}/partitions`, { state: 'running' })}">All ${count(partitions_running)}</a></p>`}</section>`;
}

export function rowsRead({ rows_read, rows_planned, state }: PartitionProgress): Content {
  if (state !== 'running' || !rows_planned) return number(rows_read);
  const share = Math.min(rows_read, rows_planned);
  const label = `${count(rows_read)} of ${plural(rows_planned, 'row')}`;
  return html`<span class="progress">${bar({ total: rows_planned, parts: { running: share } }, label)}<span>${count(rows_read)}</span></span>`;
}

export function failedSection({ run, partitions_failed }: ListedRun, failed: readonly PartitionProgress[]): Html {
  if (failed.length === 0) return html`<section id="failed" data-part hidden></section>`;
  const list = table(
    failed,
    [
      { title: 'Partition', cell: partitionLink, wide: true },
      { title: 'Attempts', cell: ({ attempt }) => attempt, figures: true },
      { title: 'Error', cell: errorOf, wide: true },
    ],
    'Partitions that failed',
  );
  const more = partitions_failed > failed.length;
  return html`<section id="failed" data-part><h2>Failed partitions</h2>${list}${more && html`<p><a href="${address(`/runs/${run}/partitions`, { state: 'failed' })}">All ${count(partitions_failed)}</a></p>`}</section>`;
}

export function errorOf({ error, error_code }: Pick<PartitionProgress, 'error' | 'error_code'>): Content {
  if (!error) return html`<span class="none">–</span>`;
  return html`${error_code && html`<code class="code">${error_code}</code> `}${error}`;
}

export function slowestSection(_run: ListedRun, slowest: readonly PartitionProgress[]): Html {
  if (slowest.length < 2) return html`<section id="slowest" data-part hidden></section>`;
  const list = table(
    slowest,
    [
      { title: 'Partition', cell: partitionLink, wide: true },
      { title: 'Time', cell: ({ seconds }) => time(seconds), figures: true },
      { title: 'Rows read', cell: ({ rows_read }) => number(rows_read), figures: true },
      { title: 'Attempts', cell: ({ attempt }) => attempt, figures: true },
    ],
    'The partitions that took longest',
  );
  return html`<section id="slowest" data-part><h2>Slowest partitions</h2>${list}</section>`;
}

/** @param samples some rejects of each of the first groups */
export function rejectSection(
  { run, rows_rejected }: ListedRun,
  groups: readonly RejectGroup[],
  samples: readonly Rejects[],
): Html {
  if (groups.length === 0) return html`<section id="rejects" data-part hidden></section>`;
  const items = groups.map((group, index) => {
    const where = [group.table_name, group.column_name].filter(Boolean).join('.');
    const all = address(`/runs/${run}/rejects`, {
      reason: group.reason,
      table: group.table_name,
      column: group.column_name,
    });
    return html`<details id="reject-${index}"${index === 0 && html` open`}>
<summary><b class="warn">${count(group.rows)}</b> <code>${group.reason}</code>${where && html` in <code>${where}</code>`} <span class="example">${group.example}</span></summary>
${samples[index] && rejectTable(samples[index], SAMPLE_SHOWN)}<p><a href="${all}">All ${count(group.rows)} of this kind</a></p>
</details>`;
  });
  return html`<section id="rejects" data-part><h2>Rejects</h2>
<p class="hint">Rows that could not be loaded, kept with their reason. <a href="/runs/${run}/rejects">All ${count(rows_rejected)}</a></p>${items}</section>`;
}

/** Characters of a row that are shown. */
const ROW_SHOWN = 4_000;
const SAMPLE_SHOWN = 300;

export function rejectTable(rejects: Rejects, most = ROW_SHOWN): Html {
  return table(
    rejects,
    [
      { title: 'File', cell: ({ file }) => html`<span class="path">${file}</span>`, wide: true },
      { title: 'Row', cell: ({ row }) => number(row), figures: true },
      { title: 'Column', cell: ({ column }) => column ?? html`<span class="none">–</span>` },
      { title: 'Why', cell: ({ message }) => message, wide: true },
      { title: 'Row as it came', cell: ({ raw }) => html`<code class="raw">${shorten(raw, most)}</code>`, wide: true },
    ],
    'Rejected rows',
  );
}

function shorten(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}… (${count(text.length)} characters)` : text;
}

export function lossSection(losses: readonly RunCoercion[]): Html {
  if (losses.length === 0) return html`<section id="losses" data-part hidden></section>`;
  const list = table(
    losses,
    [
      { title: 'Column', cell: ({ table: name, column }) => html`<code>${name}.${column}</code>` },
      { title: 'Loss', cell: ({ loss }) => loss, wide: true },
      { title: 'Rows', cell: ({ rows }) => count(rows), figures: true },
    ],
    'What columns lost by permission',
  );
  return html`<section id="losses" data-part><h2>Losses</h2><p class="hint">What the job allows these columns to lose.</p>${list}</section>`;
}

export function warningSection(
  warned: readonly { key: string; warnings: { row: number | null; message: string }[] }[],
): Html {
  const all = warned.flatMap(({ key, warnings }) => warnings.slice(0, 10).map((warning) => ({ key, ...warning })));
  if (all.length === 0) return html`<section id="warnings" data-part hidden></section>`;
  const list = table(
    all,
    [
      { title: 'Partition', cell: ({ key }) => html`<span class="path">${key}</span>` },
      { title: 'Row', cell: ({ row }) => number(row), figures: true },
      { title: 'Warning', cell: ({ message }) => message, wide: true },
    ],
    'Warnings',
  );
  return html`<section id="warnings" data-part><h2>Warnings</h2>${list}</section>`;
}
