import { count, duration, plural } from '../../base/format.ts';
import { maskParams } from '../../base/secrets.ts';
import type { RunEvent } from '../../control/events.ts';
import type { ListedRun } from '../../control/run-list.ts';
import type { latestVerificationReport } from '../../control/verifications.ts';
import type { NamedDifference, Verification } from '../../runs/verify/report.ts';
import { type Content, type Html, html } from '../html.ts';
import { ago, table } from './parts.ts';

type Kept = Awaited<ReturnType<typeof latestVerificationReport>>;

const METHODS = {
  whole: 'One scan: the tables hold what the run has read, and nothing else.',
  ledger: 'One scan: the tables hold what this run and the other loads into them have read, and nothing else.',
  keys: 'Row by row, because the tables hold other rows too, or something is wrong.',
} as const satisfies Record<Verification['method'], string>;

const DIFFERENCES_SHOWN = 20;

export function verificationSection(_run: ListedRun, kept: Kept): Html {
  if (!kept) return html`<section id="verification" data-part hidden></section>`;
  const report = kept.report as Partial<Verification>;
  const { checksum, counts, partitions = [], differences = [], sample, notes = [], seconds } = report;
  const shown = (differences.length > 0 ? differences : (sample?.differences ?? [])).slice(0, DIFFERENCES_SHOWN);
  return html`<section id="verification" data-part><h2>Verification</h2>
<p>${kept.ok ? html`<b class="good">Every row is as it was read, bit for bit.</b>` : html`<b class="bad">Not as it should be.</b>`}
${METHODS[kept.method as Verification['method']]} ${ago(kept.verified_at)}${seconds !== undefined && `, in ${duration(seconds)}`}.</p>
<dl class="facts">
${checksum && html`<div><dt>Checksum of the source</dt><dd><code>${checksum.source}</code></dd></div><div><dt>of the target</dt><dd><code>${checksum.target}</code></dd></div>`}
${counts?.tables.map(({ table: name, rows }) => html`<div><dt>${name}</dt><dd>holds ${plural(rows, 'row')}</dd></div>`)}
${sample && sample.checked > 0 && html`<div><dt>Sample</dt><dd>${plural(sample.checked, 'row')} compared field by field, ${count(sample.different)} different</dd></div>`}
</dl>
${partitions.length > 0 && partitionTable(partitions)}
${shown.length > 0 && differenceTable(shown)}
${notes.map((note) => html`<p class="hint">${note}</p>`)}
</section>`;
}

function partitionTable(partitions: Verification['partitions']): Html {
  return table(
    partitions,
    [
      { title: 'Partition', cell: ({ partition }) => html`<span class="path">${partition}</span>`, wide: true },
      { title: 'Table', cell: ({ table: name }) => name },
      { title: 'Missing', cell: ({ missing }) => count(missing), figures: true },
      { title: 'Different', cell: ({ different }) => count(different), figures: true },
      { title: 'Problem', cell: ({ problem }) => problem, wide: true },
    ],
    'Partitions with something wrong',
  );
}

function differenceTable(differences: readonly NamedDifference[]): Html {
  const fields = differences.flatMap(({ table: name, kind, key, fields }) => {
    const row = Object.entries(key).map(([column, value]) => `${column} ${value}`);
    const where = { table: name, kind, row: row.join(', ') };
    return fields.length > 0
      ? fields.map((field) => ({ ...where, ...field }))
      : [{ ...where, column: '', source: null, target: null }];
  });
  const value = (text: string | null) =>
    text === null ? html`<span class="none">null</span>` : html`<code class="raw">${text}</code>`;
  return table(
    fields,
    [
      { title: 'Row', cell: ({ table: name, row }) => html`${name}, ${row}`, wide: true },
      { title: 'What', cell: ({ kind }) => kind },
      { title: 'Column', cell: ({ column }) => column },
      { title: 'Source', cell: ({ source }) => value(source), wide: true },
      { title: 'Target', cell: ({ target }) => value(target), wide: true },
    ],
    'Rows that differ',
  );
}

/** What the run was started with. */
export function aboutSection(run: ListedRun): Html {
  const params = Object.entries(maskParams(run.params));
  return html`<section id="about" data-part><h2>Parameters</h2>
<dl class="facts">${params.map(([name, value]) => html`<div><dt>${name}</dt><dd><code>${shown(value)}</code></dd></div>`)}
${params.length === 0 && html`<div><dt>none</dt><dd></dd></div>`}
<div><dt>created</dt><dd>${ago(run.created_at)}</dd></div>
<div><dt>started</dt><dd>${ago(run.started_at)}</dd></div>
<div><dt>ended</dt><dd>${ago(run.finished_at)}</dd></div>
${run.priority !== 0 && html`<div><dt>priority</dt><dd>${run.priority}</dd></div>`}
${run.max_concurrency !== null && html`<div><dt>transactions at a time</dt><dd>${run.max_concurrency}</dd></div>`}
${run.max_rows_per_second !== null && html`<div><dt>rows per second, at most</dt><dd>${count(run.max_rows_per_second)}</dd></div>`}
${run.checksum && html`<div><dt>checksum</dt><dd><code>${run.checksum}</code></dd></div>`}
</dl></section>`;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export function eventSection(events: readonly RunEvent[]): Html {
  const items = events.map(
    ({ at, actor, action, detail }) => html`<li>${ago(at)} <b>${action}</b> by ${actor}${detailOf(detail)}</li>`,
  );
  if (items.length === 0) return html`<section id="events" data-part hidden></section>`;
  return html`<section id="events" data-part><h2>Events</h2><ol class="events">${items}</ol></section>`;
}

function detailOf(detail: Record<string, unknown>): Content {
  const parts = Object.entries(maskParams(detail)).map(([name, value]) => `${name} ${shown(value)}`);
  return parts.length > 0 && html`<span class="detail">${parts.join(', ')}</span>`;
}
