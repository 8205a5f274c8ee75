import type { FastifyRequest } from 'fastify';
import { plural } from '../../base/format.ts';
import { listRejectPage, type RejectFilter } from '../../control/rejects.ts';
import { html } from '../html.ts';
import { requireRun } from '../run-data.ts';
import type { Web } from '../web.ts';
import type { Page } from './layout.ts';
import { trail } from './partitions.ts';
import { address, pager } from './parts.ts';
import { rejectTable } from './run-lists.ts';

const PAGE = 50;

export async function rejectsPage(web: Web, { params, query }: FastifyRequest): Promise<Page> {
  const { partition, reason, table, column, after } = query as RejectFilter;
  const run = await requireRun(web, (params as { run: number }).run);
  const found = await listRejectPage(web.services.db, run.run, { partition, reason, table, column, after }, PAGE + 1);
  const shown = found.slice(0, PAGE);
  const path = `/runs/${run.run}/rejects`;
  const next =
    found.length > PAGE ? address(path, { partition, reason, table, column, after: shown.at(-1)!.id }) : null;
  const chosen = [reason, [table, column].filter(Boolean).join('.')].filter(Boolean);
  const narrowed = chosen.length > 0 || partition !== undefined;
  return {
    title: `Rejects of run ${run.run}`,
    section: 'runs',
    body: html`${trail(run.run, run.job)}<h1>Rejects</h1>
<p class="hint">${narrowed ? html`${chosen.length > 0 && html`Only <code>${chosen.join(' in ')}</code>. `}<a href="${path}">All ${plural(run.rows_rejected, 'reject')}</a>` : `${plural(run.rows_rejected, 'row')} could not be loaded.`}
When the cause is mended, <code>dray rejects ${run.run} --replay</code> loads these rows, and no others; <code>--export FILE</code> writes them all down.</p>
${shown.length > 0 ? rejectTable(shown) : html`<p class="empty">There are none.</p>`}${pager(next)}`,
  };
}
