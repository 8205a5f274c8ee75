import type { FastifyRequest } from 'fastify';
import type { Web } from '../web.ts';
import type { Schema } from './schema.ts';

/** One operation of the API: what the server routes by, and what the OpenAPI file says. */
export interface Endpoint {
  method: 'GET' | 'POST';
  /** As OpenAPI writes it, below /api/v1: `/runs/{run}`. */
  path: string;
  /** The operation's id. */
  name: string;
  summary: string;
  query?: Record<string, Schema>;
  body?: Schema;
  answer: Schema;
  /** Of the answer; 200 when left out. */
  status?: 200 | 202;
  run(web: Web, request: Asked): Promise<unknown>;
}

/** The request, with its parts checked against the endpoint's schemas. */
export interface Asked extends FastifyRequest {
  // biome-ignore lint/suspicious/noExplicitAny: the schemas have checked them
  params: any;
  // biome-ignore lint/suspicious/noExplicitAny: the schemas have checked them
  query: any;
}

export const MOST_ITEMS = 1_000;
const DEFAULT_ITEMS = 100;

const id: Schema = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER };

export const PARAMS: Record<string, Schema> = { run: id, partition: id, job: { type: 'string', maxLength: 300 } };

export const PAGING: Record<string, Schema> = {
  limit: { type: 'integer', minimum: 1, maximum: MOST_ITEMS, default: DEFAULT_ITEMS, description: 'Items of a page.' },
  cursor: { type: 'string', pattern: '^[0-9]{1,16}$', description: 'The `next` of the page before.' },
};

/** A page of a list that is walked by an id. @param ask gives up to so many items behind the cursor */
export async function paged<Row, Item>(
  { query }: Asked,
  ask: (cursor: number | undefined, limit: number) => Promise<Row[]>,
  idOf: (row: Row) => number,
  shape: (row: Row) => Item,
): Promise<{ items: Item[]; next: string | null }> {
  const { limit, cursor } = query as { limit: number; cursor?: string };
  const rows = await ask(cursor === undefined ? undefined : Number(cursor), limit + 1);
  const shown = rows.slice(0, limit);
  return { items: shown.map(shape), next: rows.length > limit ? String(idOf(shown.at(-1)!)) : null };
}
