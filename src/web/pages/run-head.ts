import { bytes, count, duration, plural } from '../../base/format.ts';
import type { ListedRun } from '../../control/run-list.ts';
import type { WorkerStatus } from '../../control/views.ts';
import { ENDED } from '../../model/state.ts';
import type { Visitor } from '../guard.ts';
import { type Content, type Html, html } from '../html.ts';
import { actionBar } from './act.ts';
import { ago, badge, bar, number } from './parts.ts';
import { percentOf, sharesOf } from './runs.ts';

/** What else the head of the page tells. */
interface Around {
  workers: readonly WorkerStatus[];
  /** Whether this server is verifying the run. */
  verifying: boolean;
}

/** How the run stands, at a glance: what, how far, how fast, what is wrong and what to do. */
export function headSection(run: ListedRun, { workers, verifying }: Around, visitor: Visitor | undefined): Html {
  return html`<section id="head" data-part>
<header class="title"><h1>Run ${run.run} <span class="of">of</span> ${run.job}</h1>${badge(run.state)}${run.phase && html`<span class="phase">${run.phase}</span>`}${actionBar(run, visitor)}</header>
${notices(run, workers)}${verifying && notice('info', html`Being verified.`)}
<div class="whole">${bar(sharesOf(run), `${run.percent} % of ${plural(run.partitions_total, 'partition')} settled`)}</div>
<dl class="key">
${figure(`${percentOf(run)} %`, partitionsOf(run))}
${figure(count(run.rows_read), html`rows read${run.rows_planned > 0 && html` of ${count(run.rows_planned)}`}`)}
${figure(count(run.rows_per_second), 'rows/s')}
${remaining(run)}
${figure(count(run.rows_written), accountOf(run))}
${figure(html`<span class="${run.rows_rejected > 0 ? 'warn' : 'none'}">${count(run.rows_rejected)}</span>`, run.rows_rejected > 0 ? html`<a href="#rejects">rejected</a>` : 'rejected')}
${figure(bytes(run.bytes_read), 'of source read')}
</dl>
</section>`;
}

function figure(value: Content, label: Content): Html {
  return html`<div><dd>${value}</dd><dt>${label}</dt></div>`;
}

function partitionsOf(run: ListedRun): Content {
  const settled = run.partitions_done + run.partitions_skipped + run.partitions_failed;
  return html`${count(settled)} of ${plural(run.partitions_total, 'partition')}`;
}

function accountOf({ rows_unchanged, rows_superseded, rows_deleted }: ListedRun): Content {
  const others = [
    rows_unchanged > 0 && `${count(rows_unchanged)} unchanged`,
    rows_superseded > 0 && `${count(rows_superseded)} superseded`,
    rows_deleted > 0 && `${count(rows_deleted)} deleted`,
  ].filter(Boolean);
  return others.length > 0 ? html`written, ${others.join(', ')}` : 'rows written';
}

function remaining({ eta_seconds, seconds, finished_at, state }: ListedRun): Html {
  if (eta_seconds !== null && state === 'running') return figure(duration(eta_seconds), 'left, at this pace');
  if (seconds === null) return figure(number(null), 'not begun');
  return figure(duration(seconds), finished_at ? html`taken, ended ${ago(finished_at)}` : 'so far');
}

/** What is wrong or remarkable, and what to do about it. */
function notices(run: ListedRun, workers: readonly WorkerStatus[]): Content {
  const found: Html[] = [];
  const open = run.partitions_pending + run.partitions_running;
  if (
    workers.length === 0 &&
    (open > 0 || run.state === 'finalizing') &&
    ['queued', 'running', 'finalizing'].includes(run.state)
  ) {
    found.push(
      notice(
        'bad',
        html`No worker is there. <code>dray work</code> starts one, here or on any host that reaches the database.`,
      ),
    );
  }
  if (run.state === 'queued' && workers.length > 0 && run.partitions_running === 0) {
    found.push(notice('info', html`Waiting for a worker: earlier runs go first.`));
  }
  const heldBack = new Set(workers.map(({ held_back }) => held_back).filter((reason) => reason !== null));
  if (open > 0 && !ENDED.includes(run.state)) {
    for (const reason of heldBack) found.push(notice('warn', html`Workers are held back: ${reason}`));
  }
  if (run.state === 'paused' && run.reason) found.push(notice('warn', html`Paused: ${run.reason}.`));
  if (run.error) found.push(notice('bad', html`${run.error}`));
  if (run.partitions_failed > 0) {
    const text = html`<a href="#failed">${plural(run.partitions_failed, 'partition')} failed.</a>`;
    found.push(
      notice('bad', html`${text} Mend the cause and try them again, here or with <code>dray retry ${run.run}</code>.`),
    );
  }
  if (run.rows_rejected > 0 && run.state === 'completed_with_rejects') {
    const next = html`When the cause is mended, <code>dray rejects ${run.run} --replay</code> loads these rows and no others.`;
    found.push(notice('warn', html`<a href="#rejects">${plural(run.rows_rejected, 'row')} rejected.</a> ${next}`));
  }
  if (run.verified === false)
    found.push(notice('bad', html`<a href="#verification">Verification found differences.</a>`));
  const unchanged = run.partitions_total > 0 && run.partitions_skipped === run.partitions_total;
  if (unchanged) found.push(notice('info', html`Every partition is unchanged since it was loaded: nothing was read.`));
  if (run.state === 'succeeded' && run.verified === null && !unchanged) {
    found.push(
      notice(
        'info',
        html`Not verified yet: <code>dray verify ${run.run}</code> proves bit for bit that every row is in its table.`,
      ),
    );
  }
  return found;
}

function notice(kind: 'bad' | 'warn' | 'info', text: Html): Html {
  return html`<p class="notice ${kind}">${text}</p>`;
}
