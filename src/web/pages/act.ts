import { setTimeout } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { explain } from '../../base/errors.ts';
import { findPartition } from '../../control/partition-list.ts';
import type { ListedRun } from '../../control/run-list.ts';
import { ACTIONS, type Action } from '../actions.ts';
import { enqueueRun } from '../enqueue.ts';
import type { Visitor } from '../guard.ts';
import { type Content, type Html, html } from '../html.ts';
import type { Definition } from '../job-data.ts';
import { Problem } from '../problem.ts';
import type { Web } from '../web.ts';
import { id } from './fields.ts';

/** The forms of the pages: what they send comes in here, and leads back to where it was sent from. */
export function addForms(app: FastifyInstance, web: Web): void {
  const config = { access: 'act' } as const;
  const schema = { params: { type: 'object', properties: { run: id } } };
  for (const action of ACTIONS) {
    app.post(`/runs/:run/${action.name}`, { config, schema }, async (request: FastifyRequest, reply: FastifyReply) => {
      const { run } = request.params as { run: number };
      const { drain, partition } = (request.body ?? {}) as Record<string, string | undefined>;
      const choice = { drain: drain === 'on', partition: partition && (await keyOf(web, run, partition)) };
      await action.act(web, run, request.visitor!.name, choice);
      return reply.redirect(`/runs/${run}`, 303);
    });
  }
  app.post('/jobs/:job/runs', { config }, (request, reply) => enqueueFromForm(web, request, reply));
}

/** @throws Problem for one that the run has not: to leave it out would mean all of them */
async function keyOf({ services }: Web, run: number, id: string): Promise<string> {
  const found = /^\d{1,15}$/.test(id) ? await findPartition(services.db, run, Number(id)) : undefined;
  if (found) return found.partition;
  throw new Problem(404, 'NOT_FOUND', `Run ${run} has no partition ${id}`);
}

/** Between the request and the answer; planning goes on behind it, and what goes wrong then shows on the run. */
const PATIENCE_MS = 20_000;

async function enqueueFromForm(web: Web, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { job } = request.params as { job: string };
  const { force, max_rejects, ...fields } = (request.body ?? {}) as Record<string, string>;
  const given = Object.entries(fields).filter(([name, value]) => name.startsWith('param.') && value !== '');
  const params = Object.fromEntries(given.map(([name, value]) => [name.slice('param.'.length), value]));
  const wanted = { params, force: force === 'on', max_rejects: max_rejects || undefined };
  const enqueued = enqueueRun(web, job, wanted, request.visitor!.name);
  enqueued.catch((error) => request.log.error({ job, error: explain(error) }, 'enqueueing failed'));
  const done = await Promise.race([enqueued, setTimeout(PATIENCE_MS, undefined, { ref: false })]);
  return reply.redirect(done ? `/runs/${done.run}` : `/?job=${encodeURIComponent(job)}`, 303);
}

/** What may be done to a run in the state that it is in, each behind a question. */
export function actionBar(run: ListedRun, visitor: Visitor | undefined): Content {
  if (!visitor?.mayAct || visitor.formToken === null) return false;
  const offered = ACTIONS.filter((action) => action.isOffered(run));
  return (
    offered.length > 0 &&
    html`<div class="actions">${offered.map((one) => question(run.run, one, visitor.formToken))}</div>`
  );
}

/** A form that enqueues a run of a job, where that is allowed. */
export function enqueueForm({ name, params }: Definition, { settings }: Web, visitor: Visitor | undefined): Content {
  if (!settings.allowEnqueue || !visitor?.mayAct || visitor.formToken === null) return false;
  const fields = params.map((param) => {
    const field = `param.${param.name}`;
    const held = param.default === null ? (param.env ?? 'required') : String(param.default);
    return html`<label><span><code>${param.name}</code> <span class="none">${param.type}</span></span>
${param.type === 'boolean' ? html`<select name="${field}"><option value="">${held}</option><option>true</option><option>false</option></select>` : html`<input name="${field}" placeholder="${held}"${param.type === 'number' && html` inputmode="decimal"`}>`}
${param.help && html`<small>${param.help}</small>`}</label>`;
  });
  return html`<section><h2>New run</h2><form class="enqueue" method="post" action="/jobs/${encodeURIComponent(name)}/runs">
<input type="hidden" name="form_token" value="${visitor.formToken}">${fields}
<label><span>Rejects that a partition may have</span><input name="max_rejects" placeholder="as the job says"><small>a number, or a share such as 1%</small></label>
<label class="check"><input type="checkbox" name="force"> Load again what is in the table already</label>
<button class="primary">Enqueue</button>
</form></section>`;
}

/**
 * A button with a question behind it. The browser opens and closes it by itself, so that nothing is done by accident and
 * no script is needed.
 * @param partition the id of one; left out: all that failed
 */
export function question(run: number, action: Action, formToken: string | null, partition?: number): Html {
  const { name, label, meaning, choice, grave } = action;
  const box = `ask-${name}`;
  const what = partition === undefined ? `${label} run ${run}` : `${label} this partition`;
  return html`<button type="button" popovertarget="${box}">${partition === undefined ? label : 'Retry'}</button>
<div class="question" id="${box}" popover role="dialog" aria-label="${label}">
<form method="post" action="/runs/${run}/${name}">
<input type="hidden" name="form_token" value="${formToken}">${partition !== undefined && html`<input type="hidden" name="partition" value="${partition}">`}
<p>${meaning}</p>
${choice && html`<p><label><input type="checkbox" name="${choice.name}"> ${choice.label}</label></p>`}
<p class="answers"><button class="${grave ? 'danger' : 'primary'}" autofocus>${what}</button>
<button type="button" popovertarget="${box}" popovertargetaction="hide">Not now</button></p>
</form></div>`;
}
