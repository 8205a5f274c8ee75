import type { FastifyRequest } from 'fastify';
import { html } from '../html.ts';
import type { Problem } from '../problem.ts';
import type { Web } from '../web.ts';
import type { Page } from './layout.ts';

/** @param back where to go when signed in @param wrong whether a token was given that is none */
export function loginPage({ settings }: Web, back: string, wrong: boolean): Page {
  return {
    title: 'Sign in',
    body: html`<form class="login" method="post" action="/login" data-login>
<h1>Sign in</h1>
${wrong && html`<p class="notice bad" role="alert">This is not the token.</p>`}
<input type="hidden" name="back" value="${back}">
<label>Token <input type="password" name="token" required autocomplete="current-password" autofocus></label>
<p class="hint">${settings.openForReading ? 'The one that "dray serve" has printed. It is good until the server stops.' : 'The one in DRAYAGE_WEB_TOKEN.'}</p>
<button class="primary">Sign in</button>
</form>`,
  };
}

export function problemPage({ status, message, hint }: Problem, { id, url }: FastifyRequest): Page {
  const [run] = /^\/runs\/\d+(?=\/)/.exec(url) ?? [];
  return {
    title: message,
    body: html`<div class="problem"><p class="status">${status}</p><h1>${message}</h1>${hint && html`<p>${hint}</p>`}
<p>${run && html`<a href="${run}">Back to the run</a> · `}<a href="/">Runs</a>${status >= 500 && html` <span class="none">request ${id}</span>`}</p></div>`,
  };
}
