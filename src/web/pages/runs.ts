import type { FastifyRequest } from 'fastify';
import { count, duration, plural } from '../../base/format.ts';
import { type ListedRun, listRuns, runStates } from '../../control/run-list.ts';
import { presentWorkers } from '../../control/views.ts';
import { RUN_STEPS } from '../../model/state.ts';
import { type Content, type Html, html } from '../html.ts';
import type { Web } from '../web.ts';
import type { Page } from './layout.ts';
import { address, ago, badge, bar, number, pager, table, time } from './parts.ts';

const PAGE = 50;

export interface RunsQuery {
  q?: string;
  state?: string;
  job?: string;
  before?: number;
}

export async function runsPage({ services }: Web, { query }: FastifyRequest): Promise<Page> {
  const { q, state, job, before } = query as RunsQuery;
  const filter = { states: state ? [state] : [], job, search: q, before };
  const [runs, states, workers] = await Promise.all([
    listRuns(services.db, filter, PAGE + 1),
    runStates(services.db),
    presentWorkers(services.db),
  ]);
  const shown = runs.slice(0, PAGE);
  const next = runs.length > PAGE ? address('/', { q, state, job, before: shown.at(-1)!.run }) : null;
  const filtered = Boolean(q || state || job || before);
  return {
    title: 'Runs',
    section: 'runs',
    live: 'runs',
    body: html`<h1>Runs</h1>
${glance(states, workers.length)}
${filterForm({ ...(q ? { q } : {}), ...(state ? { state } : {}), ...(job ? { job } : {}) })}
<section id="runs" data-part>${shown.length > 0 ? runTable(shown) : empty(filtered)}${pager(next)}</section>`,
  };
}

/** What an operator wants to know first: is anything going on, is anything wrong, is anybody at work. */
function glance(states: readonly { state: string; runs: number; rows_per_second: number }[], workers: number): Html {
  const of = (...names: string[]) => states.filter(({ state }) => names.includes(state));
  const sum = (found: typeof states) => found.reduce((total, { runs }) => total + runs, 0);
  const running = of('running', 'finalizing');
  const speed = of('running').reduce((total, { rows_per_second }) => total + Number(rows_per_second), 0);
  const [waiting, paused, failed] = [sum(of('planning', 'queued')), sum(of('paused')), sum(of('failed'))];
  const unattended = workers === 0 && sum(running) + waiting > 0;
  return html`<ul class="glance" id="glance" data-part>
<li><b>${count(sum(running))}</b> running${speed > 0 && html` at <b>${count(speed)}</b> rows/s`}</li>
${waiting > 0 && html`<li><b>${count(waiting)}</b> waiting</li>`}
${paused > 0 && html`<li><b>${count(paused)}</b> paused</li>`}
${failed > 0 && html`<li class="bad"><b>${count(failed)}</b> <a href="/?state=failed">failed</a> since yesterday</li>`}
<li${unattended && html` class="bad"`}><b>${count(workers)}</b> <a href="/workers">${workers === 1 ? 'worker' : 'workers'}</a>${unattended && html`: start one with <code>dray work</code>`}</li>
</ul>`;
}

function filterForm({ q, state, job }: RunsQuery): Html {
  const states = Object.keys(RUN_STEPS).map(
    (name) => html`<option value="${name}"${name === state && html` selected`}>${name.replaceAll('_', ' ')}</option>`,
  );
  return html`<form class="filter" method="get" action="/" role="search">
<label>Find <input type="search" name="q" value="${q}" placeholder="job, parameter, error or number" data-key="/"></label>
<label>State <select name="state"><option value="">any</option>${states}</select></label>
${job && html`<label>Job <input name="job" value="${job}"></label>`}
<button>Show</button>${(q || state || job) && html` <a href="/">Clear</a>`}
</form>`;
}

function empty(filtered: boolean): Html {
  if (filtered) return html`<p class="empty">No run is like that. <a href="/">Show all</a></p>`;
  return html`<p class="empty">There are no runs yet. <code>dray jobs</code> lists what can be run, <code>dray run JOB</code> runs it, and it shows up here.</p>`;
}

export function runTable(runs: readonly ListedRun[]): Html {
  return table(
    runs,
    [
      { title: 'Run', cell: ({ run }) => html`<a href="/runs/${run}">${run}</a>`, figures: true },
      { title: 'Job', cell: ({ run, job }) => html`<a href="/runs/${run}" class="job">${job}</a>`, wide: true },
      { title: 'State', cell: ({ state, phase }) => html`${badge(state)}${phase && html`<small>${phase}</small>`}` },
      { title: 'Progress', cell: progress },
      { title: 'Rows written', cell: ({ rows_written }) => number(rows_written), figures: true },
      { title: 'Rows/s', cell: ({ rows_per_second }) => number(rows_per_second), figures: true },
      { title: 'Rejects', cell: rejects, figures: true },
      { title: 'Verified', cell: verdict },
      { title: 'Time', cell: timing, figures: true },
      { title: 'Created', cell: ({ created_at }) => ago(created_at), figures: true },
    ],
    'Runs, the newest first',
  );
}

function progress(run: ListedRun): Content {
  const label = `${run.percent} % of ${plural(run.partitions_total, 'partition')}`;
  return html`<span class="progress">${bar(sharesOf(run), label)}<span>${percentOf(run)} %</span></span>`;
}

/** Of the partitions, those that are settled and not given up; 100 is only shown for all of them. */
export function percentOf({ percent, partitions_cancelled, partitions_total }: ListedRun): string {
  const cancelled = partitions_total === 0 ? 0 : (100 * partitions_cancelled) / partitions_total;
  return String(Math.floor(percent - cancelled));
}

export function sharesOf(run: ListedRun) {
  const { partitions_total: total, partitions_done: done, partitions_skipped: skipped } = run;
  const { partitions_failed: failed, partitions_cancelled: cancelled, partitions_running: running } = run;
  return { total, parts: { done, skipped, failed, cancelled, running } };
}

function rejects({ run, rows_rejected }: ListedRun): Content {
  return rows_rejected > 0
    ? html`<a class="warn" href="/runs/${run}/rejects">${count(rows_rejected)}</a>`
    : number(rows_rejected);
}

function verdict({ verified, verified_at }: ListedRun): Content {
  if (verified === null) return html`<span class="none">–</span>`;
  return verified
    ? html`<span class="good">bit for bit</span>`
    : html`<span class="bad" title="${verified_at?.toISOString()}">differs</span>`;
}

function timing({ seconds, eta_seconds }: ListedRun): Content {
  return eta_seconds === null ? time(seconds) : html`${duration(eta_seconds)} left`;
}
