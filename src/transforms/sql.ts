import { DrayageError } from '../base/errors.ts';
import type { DuckConnection } from '../duckdb/connection.ts';
import { describe, rows } from '../duckdb/scan.ts';
import { type DuckColumn, quoteIdentifier, quoteLiteral } from '../duckdb/types.ts';
import { type OpenRelation, ROW } from '../model/source.ts';
import type { SqlTransform } from '../model/transform.ts';

/**
 * A query over `source`, the rows of a partition with the source's columns. It runs inside DuckDB, vectorised.
 * @example sql`select id, upper(topic) as topic from source where topic is not null`
 */
export function sql(strings: TemplateStringsArray, ...values: (string | number)[]): SqlTransform {
  return { kind: 'sql', text: String.raw({ raw: strings }, ...values).trim() };
}

/** A transform made ready to run on one connection. */
export interface Compiled {
  query: string;
  columns: DuckColumn[];
  /** Whether the query also gives ROW, so that every row is known by its number in the source. */
  numbered: boolean;
}

/**
 * Makes `source` a view of the partition's relation and finds out what the query gives.
 * @param partition that is open
 * @param written the transform; without one the relation is taken as it is
 * @throws TRANSFORM_INVALID
 */
export async function compileSql(
  connection: DuckConnection,
  partition: Pick<OpenRelation, 'relation' | 'columns'>,
  written?: string,
): Promise<Compiled> {
  const { relation } = partition;
  if (written === undefined) {
    const columns = (await partition.columns?.()) ?? (await describe(connection, relation));
    return { query: relation, columns: columns.filter(({ name }) => name !== ROW), numbered: true };
  }
  const text = bracketed(written);
  const row = quoteIdentifier(ROW);
  await rows(connection, `create or replace temp view source as select * exclude (${row}) from (${relation})`);
  const columns = await describe(connection, text).catch((error) => {
    if (error.code !== 'TRANSFORM_INVALID') throw error;
    throw new DrayageError('TRANSFORM_INVALID', `The transform does not fit the source: ${error.message}`, {
      hint: 'Mend the query, or declare columns that some files lack with files(path, { columns }).',
      cause: error,
    });
  });
  const numbered = await withRowNumber(connection, text);
  if (numbered) {
    await rows(connection, `create or replace temp view source as ${relation}`);
    // The planner has the last word: a query that aggregates does not accept a bare column.
    if (await describe(connection, numbered).catch(() => undefined))
      return { query: numbered, columns, numbered: true };
    await rows(connection, `create or replace temp view source as select * exclude (${row}) from (${relation})`);
  }
  return { query: text, columns, numbered: false };
}

/** Without the semicolon that it may end with, and with an end to its last comment: it is going to stand in brackets. */
function bracketed(text: string): string {
  const bare = text.replace(/[;\s]+$/, '');
  return /--[^\n]*$/.test(bare) ? `${bare}\n` : bare;
}

/**
 * The query with the row number added to what it selects, through DuckDB's own parser
 * (https://duckdb.org/docs/stable/data/json/sql_to_and_from_json). Undefined when that would change its meaning.
 */
async function withRowNumber(connection: DuckConnection, text: string): Promise<string | undefined> {
  const parsed = await rows(connection, `select json_serialize_sql(${quoteLiteral(text)}) as tree`);
  const tree = parseExactly(String(parsed[0]?.tree));
  const node = tree.statements?.length === 1 ? tree.statements[0].node : undefined;
  const plain = node?.type === 'SELECT_NODE' && node.group_expressions.length === 0 && node.modifiers.every(isOrder);
  if (!plain) return undefined;
  node.select_list.push({
    class: 'COLUMN_REF',
    type: 'COLUMN_REF',
    alias: ROW,
    query_location: 0,
    column_names: [ROW],
  });
  const written = await rows(connection, `select json_deserialize_sql(${quoteLiteral(JSON.stringify(tree))}) as text`);
  return String(written[0]?.text);
}

/** Parses JSON so that it can be written again with every digit of its numbers, which reach up to 2^64. */
// biome-ignore lint/suspicious/noExplicitAny: DuckDB's parse tree has no published schema
function parseExactly(text: string): any {
  const { rawJSON } = JSON as unknown as { rawJSON(source: string): unknown };
  const keepDigits = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && context?.source ? rawJSON(context.source) : value;
  return JSON.parse(text, keepDigits);
}

function isOrder({ type }: { type: string }): boolean {
  return type === 'ORDER_MODIFIER' || type === 'LIMIT_MODIFIER';
}
