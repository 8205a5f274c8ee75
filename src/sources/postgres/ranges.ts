import type { Client } from 'pg';
import { DrayageError } from '../../base/errors.ts';
import { shortName } from '../../base/ids.ts';
import { quoteIdentifier } from '../../postgres/catalog.ts';
import type { Period, WholeOptions } from './options.ts';
import type { Relation } from './relation.ts';
import { contents } from './versions.ts';

/** Rows of a partition, by the column that the table is cut by. Both ends absent: all rows. */
export interface KeyRange {
  /** The least value. */
  from?: string;
  /** The first value that is too large. */
  below?: string;
  /** Whether rows without a value are among them. */
  nulls?: boolean;
  /** Rows with exactly this value, an infinity; `null`: those without one. */
  only?: string;
}

/** A partition of a table. */
export interface Part {
  range: KeyRange;
  /** What tells its content from any other; absent when that was not asked for. */
  content?: string | undefined;
}

/** The column that a table is cut by. */
export interface Cut {
  column: string;
  /** As SQL has it. */
  type: string;
}

/** Pages that are looked at to find out how the values lie. */
const SAMPLED_PAGES = 1_000;

/** What the relation is cut by; undefined when it is one partition. */
export function cutOf({ table, name }: Relation, { by }: WholeOptions): Cut | undefined {
  const column = by ?? table?.key;
  if (!table || column === null || column === undefined) return undefined;
  if (column === 'ctid') return { column, type: 'tid' };
  const type = table.types.get(column);
  if (type !== undefined) return { column, type };
  throw new DrayageError('SOURCE_MISSING', `by names "${column}", and ${name} has no such column`, {
    where: { table: name },
    hint: `It has ${[...table.types.keys()].join(', ')}.`,
  });
}

/**
 * Ranges of about the same size.
 * @param server in whose database the table is, when its contents are to be told apart; they cost a scan
 */
export async function balancedParts(
  client: Client,
  relation: Relation,
  cut: Cut,
  options: WholeOptions,
  server: string | undefined,
): Promise<Part[]> {
  const bounds = await boundsOf(client, relation, cut, options);
  const ranges = [undefined, ...bounds].map((from, index): KeyRange => {
    const below = bounds[index];
    const ends = { ...(from === undefined ? {} : { from }), ...(below === undefined ? {} : { below }) };
    return index === 0 ? { ...ends, nulls: true } : ends;
  });
  if (server === undefined) return ranges.map((range) => ({ range }));
  const list = bounds.map(literal).join(', ');
  const part = bounds.length === 0 ? '0' : `coalesce(width_bucket(${keyOf(cut)}, array[${list}]::${cut.type}[]), 0)`;
  const found = await contents(client, relation, part, server);
  return ranges.map((range, index) => ({ range, content: found.get(String(index)) ?? 'empty' }));
}

/** From a sample of the table's pages: no scan, and the same again for a table that has not changed. */
async function boundsOf(
  client: Client,
  relation: Relation,
  { column }: Cut,
  { partitionRows, partitionBytes }: WholeOptions,
): Promise<string[]> {
  const { bytes, pages, versions } = relation.table!;
  // A view has no pages to sample.
  if (!versions || pages === 0) return [];
  if (column === 'ctid') return pageBounds(pages, Math.ceil(bytes / partitionBytes));
  const percent = Math.min(100, (100 * Math.max(SAMPLED_PAGES, pages / 1000)) / pages);
  const key = quoteIdentifier(column);
  const { rows } = await client.query<[string]>({
    text: `select t.${key}::text from ${relation.sql} t tablesample system (${percent}) repeatable (0) order by t.${key}`,
    rowMode: 'array',
  });
  const estimate = (rows.length * 100) / percent;
  const wanted = Math.ceil(Math.max(estimate / partitionRows, bytes / partitionBytes));
  const values = rows.flatMap(([value]) => (value === null ? [] : [value]));
  const bounds = new Set<string>();
  for (let part = 1; part < wanted; part++) {
    const bound = values[Math.floor((values.length * part) / wanted)];
    // Below the least value there is nothing.
    if (bound !== undefined && bound !== values[0]) bounds.add(bound);
  }
  return [...bounds];
}

function pageBounds(pages: number, wanted: number): string[] {
  const bounds = Array.from({ length: Math.max(0, wanted - 1) }, (_, part) =>
    Math.floor((pages * (part + 1)) / wanted),
  );
  // Below the first page there is nothing.
  return [...new Set(bounds)].filter((page) => page > 0).map((page) => `(${page},0)`);
}

/** A range for each period in which there are rows; one scan tells which. Infinities and nulls have their own. */
export async function periodParts(
  client: Client,
  relation: Relation,
  cut: Cut,
  every: Period,
  server: string | undefined,
): Promise<Part[]> {
  if (!/^(date|timestamp)/.test(cut.type)) {
    throw new DrayageError('SOURCE_INVALID', `${relation.name} cannot be cut by the ${every}s of "${cut.column}"`, {
      where: { table: relation.name, column: cut.column },
      hint: `It is of type ${cut.type}, and not a date or a timestamp.`,
    });
  }
  const found = await contents(client, relation, `date_trunc('${every}', ${keyOf(cut)}::timestamp)`, server);
  const { rows } = await client.query<{ from: string; below: string; infinite: boolean }>(
    `select start::text as from, (start + interval '1 ${every}')::text as below, not isfinite(start) as infinite
     from (select unnest($1::timestamp[])) found (start) order by start`,
    [[...found.keys()].filter((start) => start !== 'null')],
  );
  const ranges = rows.map(({ from, below, infinite }) => (infinite ? { only: from } : { from, below }));
  const parts = ranges.map((range): Part => ({ range, content: found.get(range.only ?? range.from!) }));
  return found.has('null') ? [...parts, { range: { only: 'null' }, content: found.get('null') }] : parts;
}

/** As SQL; undefined for all rows. */
export function conditionOf(cut: Cut, { from, below, nulls, only }: KeyRange): string | undefined {
  const key = keyOf(cut);
  const value = (text: string) => `${literal(text)}::${cut.type}`;
  if (only !== undefined) return only === 'null' ? `${key} is null` : `${key} = ${value(only)}`;
  const ends = [
    from === undefined ? '' : `${key} >= ${value(from)}`,
    below === undefined ? '' : `${key} < ${value(below)}`,
  ];
  const inside = ends.filter(Boolean).join(' and ');
  if (inside === '') return undefined;
  return nulls ? `(${inside} or ${key} is null)` : inside;
}

const keyOf = ({ column }: Cut) => (column === 'ctid' ? column : quoteIdentifier(column));

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** As people read it, in the key of a partition: `id<5000`, `5000<=id<9000`. */
export function nameOf({ column }: Cut, { from, below, only }: KeyRange): string {
  if (only !== undefined) return `${column}=${only}`;
  return `${from === undefined ? '' : `${shortName(from)}<=`}${column}${below === undefined ? '' : `<${shortName(below)}`}`;
}
