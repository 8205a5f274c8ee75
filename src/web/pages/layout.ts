import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Content, type Html, html } from '../html.ts';
import type { Web } from '../web.ts';

export interface Page {
  title: string;
  /** Which of the main links this belongs to. */
  section?: 'runs' | 'workers' | 'jobs';
  /** What the page is about, for its live updates: a run's number, `runs`, `workers`; left out: it stands still. */
  live?: string;
  charts?: boolean;
  body: Content;
}

const SECTIONS = [
  ['runs', '/', 'Runs'],
  ['workers', '/workers', 'Workers'],
  ['jobs', '/jobs', 'Jobs'],
] as const;

/** Sends a page in its frame. */
export function sendPage(web: Web, request: FastifyRequest, reply: FastifyReply, page: Page): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(frame(web, request, page).text);
}

function frame(web: Web, request: FastifyRequest, { title, section, live, charts, body }: Page): Html {
  const links = SECTIONS.map(
    ([name, path, label]) =>
      html`<li><a href="${path}"${name === section && html` aria-current="page"`}>${label}</a></li>`,
  );
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Drayage</title>
<link rel="icon" href="/assets/mark.svg" type="image/svg+xml">
${charts && html`<link rel="stylesheet" href="/assets/uplot/uPlot.min.css"><script src="/assets/uplot/uPlot.iife.min.js" defer></script>`}
<link rel="stylesheet" href="/assets/app.css">
<script type="module" src="/assets/app.js"></script>
</head>
<body${live !== undefined && html` data-live="${live}"`}>
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<a class="brand" href="/"><svg viewBox="0 0 20 20" aria-hidden="true"><path d="M2 13V5h9v8M11 8h4l3 3v2"/><circle cx="6" cy="14.5" r="2"/><circle cx="14.5" cy="14.5" r="2"/></svg>Drayage</a>
<nav aria-label="Main"><ul>${links}</ul></nav>
<div class="aside">${live !== undefined && html`<span id="link" class="link" role="status"></span>`}
<span class="database" title="Database">${web.database}</span>
${web.settings.readOnly && html`<span class="tag">read-only</span>`}${session(web, request)}</div>
</header>
<main id="main" tabindex="-1">${body}</main>
<footer>Drayage ${web.version} · <a href="/api/v1/openapi.json">API</a></footer>
</body>
</html>
`;
}

function session({ settings }: Web, { visitor }: FastifyRequest): Content {
  if (visitor?.name === 'web') {
    return html`<form method="post" action="/logout"><button class="plain">Sign out</button></form>`;
  }
  if (visitor?.formToken) return html`<span>${visitor.name}</span>`;
  return !settings.readOnly && html`<a href="/login">Sign in</a>`;
}
