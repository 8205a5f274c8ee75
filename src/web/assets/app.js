// Keeps a page up to date. Everything is on the page without this; it is read by the browser as it stands.

import { drawCharts } from './charts.js';
import { watchGrids } from './grid.js';

const policy = window.trustedTypes?.createPolicy('drayage', { createHTML: (text) => text }) ?? {
  createHTML: (text) => text,
};

/** Between two looks, however often there is something new. */
const REST_MS = 700;
/** Without a stream: through a proxy that swallows events, for example. */
const POLL_MS = 5_000;

const link = document.getElementById('link');
let busy = false;
let again = false;

/** Asks for the page once more, and takes over the parts that differ. The server wrote and escaped all of it. */
async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  again = false;
  try {
    const response = await fetch(location.href, { headers: { accept: 'text/html' }, cache: 'no-store' });
    if (response.redirected && new URL(response.url).pathname === '/login') return location.reload();
    if (!response.ok) throw new Error(`status ${response.status}`);
    take(new DOMParser().parseFromString(policy.createHTML(await response.text()), 'text/html'));
    show(true);
  } catch {
    show(false);
    again = true;
  }
  setTimeout(() => {
    busy = false;
    if (again) refresh();
  }, REST_MS);
}

function take(fresh) {
  document.title = fresh.title;
  for (const part of document.querySelectorAll('[data-part]')) {
    const next = fresh.getElementById(part.id);
    if (!next || isInUse(part)) continue;
    for (const details of part.matches('details') ? [part] : part.querySelectorAll('details[id]')) {
      const twin = details === part ? next : next.querySelector(`#${CSS.escape(details.id)}`);
      if (twin) twin.open = details.open;
    }
    if (next.outerHTML !== part.outerHTML) part.replaceWith(document.adoptNode(next));
  }
  for (const chart of document.querySelectorAll('[data-samples]')) drawCharts(chart);
}

/** What somebody is reading with the keyboard, is about to confirm or has selected stays as it is. */
function isInUse(part) {
  const active = document.activeElement;
  const selection = getSelection();
  const selected = selection !== null && !selection.isCollapsed && part.contains(selection.anchorNode);
  return (
    selected ||
    part.querySelector(':popover-open') !== null ||
    (part.contains(active) && active.matches(':focus-visible'))
  );
}

function show(isLive) {
  if (!link) return;
  const text = isLive ? 'live' : 'reconnecting';
  if (link.textContent !== text) link.textContent = text;
  link.classList.toggle('lost', !isLive);
}

function listen(about) {
  const stream = new EventSource(`/live?about=${encodeURIComponent(about)}`);
  // Also after a pause: what was missed meanwhile is on the page that is asked for now.
  stream.addEventListener('ready', refresh);
  stream.addEventListener('change', refresh);
  stream.addEventListener('error', () => {
    show(false);
    if (stream.readyState !== EventSource.CLOSED) return;
    setTimeout(() => listen(about), POLL_MS);
    refresh();
  });
}

/** Keeps "5 s ago" true while nothing else changes. */
function tellTimes() {
  for (const time of document.querySelectorAll('time[datetime]')) {
    const seconds = Math.max(0, (Date.now() - Date.parse(time.dateTime)) / 1000);
    const text = age(seconds);
    if (time.textContent !== text) time.textContent = text;
  }
}

function age(seconds) {
  if (seconds < 5) return 'now';
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}

/** "/" leads to the search, as in many tools. */
function onKey(event) {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.target.matches('input, select, textarea')) return;
  const field = document.querySelector('[data-key="/"]');
  if (!field) return;
  event.preventDefault();
  field.focus();
}

/** The link that `dray serve` prints carries the token where no server and no log sees it. */
function signInFromLink() {
  const form = document.querySelector('[data-login]');
  if (!form || location.hash.length < 2) return;
  form.elements.token.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, '', location.pathname + location.search);
  form.submit();
}

signInFromLink();
document.addEventListener('keydown', onKey);
setInterval(tellTimes, 1_000);
for (const chart of document.querySelectorAll('[data-samples]')) drawCharts(chart);
watchGrids();
if (document.body.dataset.live !== undefined) listen(document.body.dataset.live);
