import type { FastifyRequest } from 'fastify';
import { bytes, count, plural } from '../../base/format.ts';
import { type BusyWith, type ListedWorker, listWorkers } from '../../control/workers.ts';
import { type Content, type Html, html } from '../html.ts';
import type { Web } from '../web.ts';
import type { Page } from './layout.ts';
import { ago, badge, bar, number, table, time } from './parts.ts';

export async function workersPage({ services }: Web, _request: FastifyRequest): Promise<Page> {
  const workers = await listWorkers(services.db);
  return {
    title: 'Workers',
    section: 'workers',
    live: 'workers',
    body: html`<h1>Workers</h1><section id="workers" data-part>${workers.length > 0 ? workerTable(workers) : empty()}</section>`,
  };
}

function empty(): Html {
  return html`<p class="empty">No worker was there within a day. <code>dray work</code> starts one; as many as you like, on any host that reaches the database.</p>`;
}

function workerTable(workers: readonly ListedWorker[]): Html {
  return table(
    workers,
    [
      {
        title: 'Worker',
        cell: ({ worker, host, pid }) => html`<span id="${worker}">${host} <span class="none">${pid}</span></span>`,
      },
      { title: 'State', cell: ({ state }) => badge(state) },
      { title: 'Busy', cell: ({ busy, concurrency }) => html`${busy.length} of ${concurrency}`, figures: true },
      { title: 'Loading', cell: loading, wide: true },
      {
        title: 'Memory',
        cell: ({ memory, state }) => (memory === null || state === 'stopped' ? number(null) : bytes(memory)),
        figures: true,
      },
      { title: 'Started', cell: ({ started_at }) => ago(started_at), figures: true },
      { title: 'Seen', cell: ({ seen_at }) => ago(seen_at), figures: true },
    ],
    'Workers of the last day',
  );
}

function loading({ busy, state, held_back }: ListedWorker): Content {
  const waits = held_back !== null && state === 'alive';
  if (busy.length === 0 && !waits) return html`<span class="none">–</span>`;
  return html`${waits && html`<span class="warn">held back: ${held_back}</span>`}
<ul class="busy">${busy.map(partition)}</ul>
${state === 'lost' && html`<small class="bad">not heard of: the queue gives this to others</small>`}`;
}

function partition({ run, job, partition_id, partition: key, rows_read, rows_planned, seconds }: BusyWith): Html {
  const label = `${count(rows_read)} of ${plural(rows_planned ?? 0, 'row')}`;
  return html`<li><a href="/runs/${run}/partitions/${partition_id}" class="path">${key}</a>
<small><a href="/runs/${run}">run ${run}, ${job}</a> · ${rows_planned !== null && bar({ total: rows_planned, parts: { running: Math.min(rows_read, rows_planned) } }, label)} ${count(rows_read)} rows · ${time(seconds)}</small></li>`;
}
