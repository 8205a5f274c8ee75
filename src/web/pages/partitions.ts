import type { FastifyRequest } from 'fastify';
import { bytes, count } from '../../base/format.ts';
import { attemptsOf, type PastAttempt } from '../../control/attempts.ts';
import { findPartition, listPartitions, type PartitionProgress } from '../../control/partition-list.ts';
import { listRejectPage } from '../../control/rejects.ts';
import { PARTITION_STEPS, type PartitionState } from '../../model/state.ts';
import { ACTIONS } from '../actions.ts';
import { type Content, type Html, html } from '../html.ts';
import { Problem } from '../problem.ts';
import { requireRun } from '../run-data.ts';
import type { Web } from '../web.ts';
import { question } from './act.ts';
import type { Page } from './layout.ts';
import { address, ago, badge, number, pager, table, time } from './parts.ts';
import { errorOf, partitionLink, rejectTable, rowsRead } from './run-lists.ts';

export const PARTITION_STATES = Object.keys(PARTITION_STEPS) as PartitionState[];
const PAGE = 100;

export interface PartitionsQuery {
  state?: PartitionState;
  q?: string;
  /** A stretch of ids, as the heat map names it. */
  from?: number;
  to?: number;
  after?: number;
}

export async function partitionsPage(web: Web, { params, query }: FastifyRequest): Promise<Page> {
  const { state, q, from, to, after } = query as PartitionsQuery;
  const run = await requireRun(web, (params as { run: number }).run);
  const behind = Math.max(after ?? 0, (from ?? 1) - 1);
  const filter = { states: state ? [state] : PARTITION_STATES, search: q, after: behind, upTo: to };
  const found = await listPartitions(web.services.db, run.run, filter, PAGE + 1);
  const shown = found.slice(0, PAGE);
  const path = `/runs/${run.run}/partitions`;
  const next = found.length > PAGE ? address(path, { state, q, from, to, after: shown.at(-1)!.partition_id }) : null;
  const states = PARTITION_STATES.map(
    (name) => html`<option value="${name}"${name === state && html` selected`}>${name}</option>`,
  );
  return {
    title: `Partitions of run ${run.run}`,
    section: 'runs',
    live: String(run.run),
    body: html`${trail(run.run, run.job)}<h1>Partitions</h1>
<form class="filter" method="get" action="${path}" role="search">
<label>Find <input type="search" name="q" value="${q}" placeholder="part of the key" data-key="/"></label>
<label>State <select name="state"><option value="">any</option>${states}</select></label>
${from !== undefined && html`<input type="hidden" name="from" value="${from}"><input type="hidden" name="to" value="${to}">`}
<button>Show</button>${(state || q || from) && html` <a href="${path}">Clear</a>`}
</form>
<section id="list" data-part>${shown.length > 0 ? partitionTable(shown) : html`<p class="empty">No partition is like that.</p>`}${pager(next)}</section>`,
  };
}

export function trail(run: number, job: string): Html {
  return html`<nav class="trail" aria-label="Where this is"><a href="/">Runs</a> / <a href="/runs/${run}">Run ${run} of ${job}</a></nav>`;
}

function partitionTable(partitions: readonly PartitionProgress[]): Html {
  return table(
    partitions,
    [
      { title: 'Partition', cell: partitionLink, wide: true },
      {
        title: 'State',
        cell: (one) => html`${badge(one.state)}${one.error && html`<small class="bad">${one.error_code}</small>`}`,
      },
      { title: 'Rows read', cell: rowsRead, figures: true },
      { title: 'Written', cell: ({ rows_written }) => number(rows_written), figures: true },
      { title: 'Rejects', cell: ({ rows_rejected }) => number(rows_rejected), figures: true },
      { title: 'Attempts', cell: ({ attempt }) => number(attempt), figures: true },
      { title: 'Time', cell: ({ seconds }) => time(seconds), figures: true },
      { title: 'Ended', cell: ({ finished_at }) => ago(finished_at), figures: true },
    ],
    'Partitions in the order of the source',
  );
}

const REJECTS_SHOWN = 20;

export async function partitionPage(web: Web, { params, visitor }: FastifyRequest): Promise<Page> {
  const { run: id, partition: partitionId } = params as { run: number; partition: number };
  const { db } = web.services;
  const run = await requireRun(web, id);
  const partition = await findPartition(db, id, partitionId);
  if (!partition) throw new Problem(404, 'NOT_FOUND', `Run ${id} has no partition ${partitionId}`);
  const rejects =
    partition.rows_rejected > 0 ? await listRejectPage(db, id, { partition: partitionId }, REJECTS_SHOWN) : [];
  const attempts = await attemptsOf(db, partitionId, PAGE);
  const all = address(`/runs/${id}/rejects`, { partition: partitionId });
  const retry = ACTIONS.find(({ name }) => name === 'retry')!;
  const retried = partition.state === 'failed' && visitor?.mayAct && visitor.formToken !== null && retry.isOffered(run);
  return {
    title: `Partition of run ${id}`,
    section: 'runs',
    live: String(id),
    body: html`${trail(id, run.job)}<section id="partition" data-part>
<header class="title"><h1 class="path">${partition.partition}</h1>${badge(partition.state)}${retried && html`<div class="actions">${question(id, retry, visitor.formToken, partitionId)}</div>`}</header>
${partition.error && html`<p class="notice bad">${errorOf(partition)}</p>`}
<dl class="facts">${facts(partition)}</dl>
</section>
<section id="attempts" data-part>${attempts.length > 0 && attemptTable(attempts)}</section>
<section id="warnings" data-part>${partition.warnings.length > 0 && warnings(partition)}</section>
<section id="rejects" data-part>${rejects.length > 0 && html`<h2>Rejects</h2>${rejectTable(rejects)}<p><a href="${all}">All ${count(partition.rows_rejected)}</a></p>`}</section>`,
  };
}

function attemptTable(attempts: readonly PastAttempt[]): Html {
  const list = table(
    attempts,
    [
      { title: 'Attempt', cell: ({ attempt }) => attempt, figures: true },
      { title: 'Outcome', cell: ({ outcome }) => badge(outcome) },
      {
        title: 'Worker',
        cell: ({ worker, host }) => worker && html`<a href="/workers#${worker}">${host ?? worker.slice(0, 8)}</a>`,
      },
      { title: 'Rows read', cell: ({ rows_read }) => number(rows_read), figures: true },
      { title: 'Time', cell: ({ seconds }) => time(seconds), figures: true },
      { title: 'Ended', cell: ({ ended_at }) => ago(ended_at), figures: true },
      { title: 'Error', cell: errorOf, wide: true },
    ],
    'Attempts, the latest first',
  );
  return html`<h2>Attempts</h2>${list}`;
}

function facts(partition: PartitionProgress): Content {
  const { file, rows_planned, bytes_planned, attempt, failures, worker, seconds, checksum } = partition;
  const found: [string, Content][] = [
    ['file', html`<span class="path">${file}</span>`],
    [
      'rows read',
      html`${number(partition.rows_read)}${rows_planned !== null && html` of ${count(rows_planned)} expected`}`,
    ],
    ['rows written', number(partition.rows_written)],
    ['rows unchanged', number(partition.rows_unchanged)],
    ['rows superseded', number(partition.rows_superseded)],
    ['rows rejected', number(partition.rows_rejected)],
    ['size', bytes_planned === null ? number(null) : bytes(bytes_planned)],
    ['attempts', html`${attempt}${failures > 0 && html`, of which ${failures} failed`}`],
    ['time', time(seconds)],
    ['started', ago(partition.started_at)],
    ['ended', ago(partition.finished_at)],
    ['worker', worker ? html`<a href="/workers#${worker}"><code>${worker.slice(0, 8)}</code></a>` : number(null)],
    ['checksum', checksum ? html`<code>${checksum}</code>` : number(null)],
  ];
  return found.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`);
}

function warnings({ warnings: found }: PartitionProgress): Html {
  const list = table(
    found.slice(0, PAGE),
    [
      { title: 'Row', cell: ({ row }) => number(row), figures: true },
      { title: 'Warning', cell: ({ message }) => message, wide: true },
    ],
    'Warnings',
  );
  return html`<h2>Warnings</h2>${list}`;
}
