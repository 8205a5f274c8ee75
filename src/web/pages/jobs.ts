import type { FastifyRequest } from 'fastify';
import { type ListedRun, latestRuns, listRuns } from '../../control/run-list.ts';
import { type Content, type Html, html } from '../html.ts';
import { type Definition, definition, definitions } from '../job-data.ts';
import { Problem } from '../problem.ts';
import type { Web } from '../web.ts';
import { enqueueForm } from './act.ts';
import type { Page } from './layout.ts';
import { ago, badge, table } from './parts.ts';
import { runTable } from './runs.ts';

interface JobRow {
  name: string;
  definition: Definition | undefined;
  latest: ListedRun | undefined;
}

export async function jobsPage(web: Web, _request: FastifyRequest): Promise<Page> {
  const [found, latest] = await Promise.all([definitions(web), latestRuns(web.services.db)]);
  const names = new Set([...found.map(({ name }) => name), ...latest.map(({ job }) => job)]);
  const rows = [...names].sort().map((name) => ({
    name,
    definition: found.find((one) => one.name === name),
    latest: latest.find(({ job }) => job === name),
  }));
  return {
    title: 'Jobs',
    section: 'jobs',
    live: 'runs',
    body: html`<h1>Jobs</h1><section id="jobs" data-part>${rows.length > 0 ? jobTable(rows) : html`<p class="empty">There are no jobs; put a definition into <code>jobs/</code>.</p>`}</section>`,
  };
}

function jobTable(rows: readonly JobRow[]): Html {
  return table(
    rows,
    [
      { title: 'Job', cell: ({ name }) => html`<a href="/jobs/${encodeURIComponent(name)}" class="job">${name}</a>` },
      { title: 'What it carries', cell: describe, wide: true },
      { title: 'Into', cell: ({ definition: one }) => one?.targets.join(', ') },
      {
        title: 'Last run',
        cell: ({ latest }) => latest && html`<a href="/runs/${latest.run}">${latest.run}</a> ${badge(latest.state)}`,
      },
      { title: 'When', cell: ({ latest }) => ago(latest?.created_at ?? null), figures: true },
    ],
    'Jobs in jobs/, and those that have runs',
  );
}

function describe({ definition: one }: JobRow): Content {
  if (!one) return html`<span class="none">has runs, but no definition here</span>`;
  return one.error === null ? one.description : html`<span class="bad">${one.error}</span>`;
}

const RUNS_SHOWN = 20;

export async function jobPage(web: Web, { params, visitor }: FastifyRequest): Promise<Page> {
  const { job: name } = params as { job: string };
  const [one, runs] = await Promise.all([definition(web, name), listRuns(web.services.db, { job: name }, RUNS_SHOWN)]);
  if (!one && runs.length === 0) throw new Problem(404, 'JOB_NOT_FOUND', `There is no job "${name}"`);
  return {
    title: `Job ${name}`,
    section: 'jobs',
    live: 'runs',
    body: html`<nav class="trail" aria-label="Where this is"><a href="/jobs">Jobs</a></nav>
<h1>${name}</h1>${one?.error && html`<p class="notice bad">${one.error}</p>`}${one && html`<p>${one.description}</p>`}
${one && one.params.length > 0 && html`<h2>Parameters</h2>${paramTable(one)}`}
${one && one.error === null && enqueueForm(one, web, visitor)}
<section id="runs" data-part><h2>Runs</h2>${runs.length > 0 ? runTable(runs) : html`<p class="empty">None yet: <code>dray run ${name}</code>.</p>`}</section>`,
  };
}

function paramTable({ params }: Definition): Html {
  return table(
    params,
    [
      { title: 'Name', cell: ({ name }) => html`<code>${name}</code>` },
      { title: 'Type', cell: ({ type }) => type },
      {
        title: 'Default',
        cell: ({ default: value }) =>
          value === null ? html`<span class="none">required</span>` : html`<code>${String(value)}</code>`,
      },
      { title: 'From', cell: ({ env }) => env && html`<code>${env}</code>` },
      { title: 'What it is', cell: ({ help }) => help, wide: true },
    ],
    'Parameters of the job',
  );
}
