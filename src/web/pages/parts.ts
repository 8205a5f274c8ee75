import { count, duration } from '../../base/format.ts';
import type { PartitionState } from '../../model/state.ts';
import { type Content, type Html, html } from '../html.ts';

/** Pieces that several pages are put together from. */

const WORDS: Record<string, string> = { completed_with_rejects: 'done with rejects', rolled_back: 'rolled back' };

/** A state as a word behind a dot; the word alone says it, for those who see no colours. */
export function badge(state: string): Html {
  return html`<span class="state ${state}"><i aria-hidden="true"></i>${WORDS[state] ?? state}</span>`;
}

/** How long ago; the exact time is there to be hovered over and copied. */
export function ago(time: Date | null, nowMs = Date.now()): Html {
  if (!time) return html`<span class="none">–</span>`;
  const iso = time.toISOString();
  return html`<time datetime="${iso}" title="${iso.slice(0, 19).replace('T', ' ')} UTC">${age((nowMs - time.getTime()) / 1000)}</time>`;
}

function age(seconds: number): string {
  if (seconds < 5) return 'now';
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}

export interface Shares {
  total: number;
  parts: Partial<Record<PartitionState, number>>;
}

const DRAWN: readonly PartitionState[] = ['done', 'skipped', 'failed', 'cancelled', 'running'];

/** A bar of what has become of the partitions. Drawn with attributes alone, since the page allows no inline style. */
export function bar({ total, parts }: Shares, label: string): Html {
  let x = 0;
  const pieces = DRAWN.map((state) => {
    const share = total === 0 ? 0 : ((parts[state] ?? 0) * 100) / total;
    const width = share > 0 ? Math.max(share, 0.6) : 0;
    const piece =
      width > 0 && html`<rect class="${state}" x="${x.toFixed(2)}" width="${width.toFixed(2)}" height="10"/>`;
    x += width;
    return piece;
  });
  return html`<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="${label}">${pieces}</svg>`;
}

/** A number that is zero stands back. */
export function number(value: number | null): Html {
  if (value === null) return html`<span class="none">–</span>`;
  return value === 0 ? html`<span class="none">0</span>` : html`${count(value)}`;
}

export function time(seconds: number | null): Html {
  return seconds === null ? html`<span class="none">–</span>` : html`${duration(seconds)}`;
}

export interface Column<Row> {
  title: string;
  cell: (row: Row) => Content;
  /** Right-aligned, with figures of one width. */
  figures?: boolean;
  /** Takes the room that is left, and breaks where it must. */
  wide?: boolean;
}

/** A table that becomes a list of cards where there is little room. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], caption: string): Html {
  const kind = ({ figures, wide }: Column<Row>) => (figures ? 'figures' : wide ? 'wide' : 'text');
  const head = columns.map((column) => html`<th scope="col" class="${kind(column)}">${column.title}</th>`);
  const body = rows.map((row) => {
    const cells = columns.map((one) => html`<td class="${kind(one)}" data-title="${one.title}">${one.cell(row)}</td>`);
    return html`<tr>${cells}</tr>`;
  });
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table><caption>${caption}</caption><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** A list page by page. @param next the address of what follows */
export function pager(next: string | null): Html | false {
  return next !== null && html`<nav class="pager" aria-label="Pages"><a href="${next}" rel="next">Next page</a></nav>`;
}

/** The address with these parameters, without those that are empty. */
export function address(path: string, params: Record<string, string | number | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== '') query.set(name, String(value));
  }
  return query.size > 0 ? `${path}?${query}` : path;
}
