import { count, duration } from '../../base/format.ts';
import type { ListedRun } from '../../control/run-list.ts';
import type { Sample } from '../../control/samples.ts';
import type { PartitionState } from '../../model/state.ts';
import { type Cell, type Shade, shadeOf } from '../grid.ts';
import { type Content, type Html, html } from '../html.ts';
import { address, number, table } from './parts.ts';

const ROWS_IN_TABLE = 24;

/** How the run went over time; the figures behind the charts are there as a table, too. */
export function chartSection({ run }: ListedRun, samples: readonly Sample[]): Html | false {
  if (samples.length === 0) return false;
  const step = Math.ceil(samples.length / ROWS_IN_TABLE);
  const some = samples.filter((_, index) => (samples.length - 1 - index) % step === 0);
  return html`<section class="charts"><h2>Over time</h2>
<div class="pair" data-samples="/api/v1/runs/${run}/samples">
<figure><figcaption>Rows per second</figcaption><div class="chart" data-chart="speed"></div></figure>
<figure><figcaption>Partitions by state</figcaption><div class="chart" data-chart="states"></div></figure>
</div>
<details id="figures" data-part><summary>Figures</summary>${sampleTable(some)}</details>
</section>`;
}

function sampleTable(samples: readonly Sample[]): Html {
  const ended = (one: Sample) => one.partitions_done + one.partitions_skipped;
  return table(
    samples,
    [
      { title: 'After', cell: ({ seconds }) => duration(seconds), figures: true },
      { title: 'Rows/s', cell: ({ rows_per_second }) => number(rows_per_second), figures: true },
      { title: 'Rows read', cell: ({ rows_read }) => number(rows_read), figures: true },
      { title: 'Written', cell: ({ rows_written }) => number(rows_written), figures: true },
      { title: 'Rejected', cell: ({ rows_rejected }) => number(rows_rejected), figures: true },
      { title: 'Done', cell: (one) => number(ended(one)), figures: true },
      { title: 'Running', cell: ({ partitions_running }) => number(partitions_running), figures: true },
      { title: 'Failed', cell: ({ partitions_failed }) => number(partitions_failed), figures: true },
      { title: 'Pending', cell: ({ partitions_pending }) => number(partitions_pending), figures: true },
    ],
    'How the run went over time',
  );
}

/** Of a cell, in the units of the drawing. */
const SIDE = 10;
const COLUMNS = 100;
const FEW = 40;

/** All partitions in the order of the source, one cell for each or for as many as a cell has to hold. */
export function gridSection(run: ListedRun, cells: readonly Cell[]): Html | false {
  if (cells.length === 0) return false;
  const each = Math.max(...cells.map(({ partitions }) => partitions));
  return html`<section id="partitions" data-part><h2>Partitions</h2>
<p class="hint">${each === 1 ? 'A cell is a partition' : `A cell is up to ${count(each)} partitions`}, in the order of the source.</p>
${drawing(run, cells)}
${legend(run)}
</section>`;
}

function drawing({ run, partitions_total }: ListedRun, cells: readonly Cell[]): Html {
  const columns = Math.min(COLUMNS, Math.max(FEW, cells.length));
  const rows = Math.ceil(cells.length / columns);
  const [width, height] = [columns * SIDE, rows * SIDE];
  const shades = cells.map(shadeOf);
  const paths = [...new Set(shades)].map(
    (shade) => html`<path class="${shade}" d="${pathOf(shades, shade, columns)}"/>`,
  );
  const lines: string[] = [];
  for (let x = 1; x < columns; x++) lines.push(`M${x * SIDE} 0v${height}`);
  for (let y = 1; y < rows; y++) lines.push(`M0 ${y * SIDE}h${width}`);
  return html`<svg class="grid" viewBox="0 0 ${width} ${height}" role="img" aria-label="Heat map of ${count(partitions_total)} partitions; the counts follow below"
data-grid="/api/v1/runs/${run}/grid" data-columns="${columns}" data-cells="${cells.length}" data-list="/runs/${run}/partitions">${paths}<path class="lines" d="${lines.join('')}"/></svg>`;
}

/** Cells of one shade as rectangles; neighbours in a row are one. */
function pathOf(shades: readonly Shade[], shade: Shade, columns: number): string {
  const parts: string[] = [];
  for (let from = 0; from < shades.length; from++) {
    if (shades[from] !== shade) continue;
    let to = from + 1;
    while (shades[to] === shade && to % columns !== 0) to++;
    parts.push(
      `M${(from % columns) * SIDE} ${Math.floor(from / columns) * SIDE}h${(to - from) * SIDE}v${SIDE}H${(from % columns) * SIDE}z`,
    );
    from = to - 1;
  }
  return parts.join('');
}

const STATES: readonly PartitionState[] = ['done', 'skipped', 'running', 'pending', 'failed', 'cancelled'];

/** The states with their counts, each a link to the list of those partitions. */
function legend(run: ListedRun): Content {
  const counts = {
    done: run.partitions_done,
    skipped: run.partitions_skipped,
    running: run.partitions_running,
    pending: run.partitions_pending,
    failed: run.partitions_failed,
    cancelled: run.partitions_cancelled,
  };
  const items = STATES.filter((state) => counts[state] > 0 || state === 'done').map(
    (state) =>
      html`<li><a href="${address(`/runs/${run.run}/partitions`, { state })}"><i class="${state}" aria-hidden="true"></i>${state}</a> ${count(counts[state])}</li>`,
  );
  return html`<ul class="legend">${items}<li><a href="/runs/${run.run}/partitions">all</a> ${count(run.partitions_total)}</li></ul>`;
}
