import { DrayageError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import type { DuckConnection } from '../duckdb/connection.ts';
import { rows } from '../duckdb/scan.ts';
import { lineOf } from './query-errors.ts';

/** Table functions that make rows out of their arguments; all others look at files or at DuckDB itself. */
const TABLE_FUNCTIONS = new Set(['generate_series', 'json_each', 'json_tree', 'range', 'repeat', 'unnest']);
/** Scalar functions that leave something behind, wait, or tell of the machine. */
const REFUSED_FUNCTIONS = new Set([
  'current_setting',
  'currval',
  'nextval',
  'pg_sleep',
  'setseed',
  'sleep_ms',
  'write_log',
]);
/** What gives another value each time, so that an answer is good for once only. The time of day may be minutes old. */
const VOLATILE = new Set(['gen_random_uuid', 'random', 'uuid', 'uuidv4', 'uuidv7']);

/**
 * Names of DuckDB's own views, and of files. A WITH that has such a name does not reach everywhere, its own query to begin
 * with, and where it does not, DuckDB takes the name for the other.
 */
const NOT_FOR_WITH = /^(duckdb|pg|pragma|sqlite)_|[./\\]/i;

/** What a query needs, found out from its parse tree. */
export interface Inspected {
  /** Datasets that it reads. */
  datasets: Set<string>;
  /** Whether its answer may be given again. */
  cacheable: boolean;
}

type Node = Record<string, unknown>;

/**
 * Lets nothing through but one SELECT over datasets, which cannot have an effect. DuckDB itself is confined as well;
 * this makes out what that leaves open, and names what is wrong in the words of a lake.
 * @param known the names of all datasets
 * @throws QUERY_INVALID for what is no SQL or names no dataset, QUERY_REFUSED for what is not allowed
 */
export async function inspect(connection: DuckConnection, sql: string, known: readonly string[]): Promise<Inspected> {
  const tree = await parse(connection, sql);
  const nodes = [...walk(tree)];
  const withNames = new Set(nodes.flatMap(commonTables).map((name) => name.toLowerCase()));
  const datasets = new Set<string>();
  let cacheable = true;
  for (const node of nodes) {
    if (node.type === 'BASE_TABLE') {
      const name = tableName(node, sql, withNames, known);
      if (name !== undefined) datasets.add(name);
    } else if (node.type === 'SHOW_REF') {
      if (!node.query) for (const name of shown(node, known)) datasets.add(name);
    } else if (node.type === 'TABLE_FUNCTION') assertTableFunction(node.function as Node, sql);
    else if (node.class === 'FUNCTION') {
      const name = String(node.function_name).toLowerCase();
      if (REFUSED_FUNCTIONS.has(name)) throw refused(`calls ${name}`, node, sql);
      if (VOLATILE.has(name)) cacheable = false;
    }
  }
  return { datasets, cacheable };
}

/** Through DuckDB's own parser (https://duckdb.org/docs/stable/data/json/sql_to_and_from_json), which takes only SELECT. */
async function parse(connection: DuckConnection, sql: string): Promise<unknown> {
  const [row] = await rows(connection, 'select json_serialize_sql($1::varchar) as tree', [sql]);
  const parsed = JSON.parse(String(row!.tree));
  if (parsed.error) {
    if (parsed.error_type !== 'parser') throw notSelect();
    throw new DrayageError('QUERY_INVALID', `The query is no SQL: ${parsed.error_message}`, {
      hint: lineOf(sql, Number(parsed.position)),
    });
  }
  if (parsed.statements.length === 1) return parsed.statements[0];
  const many = parsed.statements.length > 1;
  throw new DrayageError('QUERY_INVALID', many ? 'There is more than one statement' : 'The query is empty', {
    hint: 'Write one SELECT.',
  });
}

function notSelect(): DrayageError {
  return new DrayageError('QUERY_REFUSED', 'The statement is no query: a lake is only ever read', {
    hint: 'Write a SELECT, or a WITH, FROM, VALUES, DESCRIBE, SUMMARIZE or SHOW TABLES. A PIVOT needs its values listed with IN.',
  });
}

function* walk(part: unknown): Generator<Node> {
  if (typeof part !== 'object' || part === null) return;
  if (!Array.isArray(part)) yield part as Node;
  for (const member of Object.values(part)) yield* walk(member);
}

/** Names that WITH gives; one that is used where it does not reach finds nothing. */
function commonTables({ cte_map: ctes }: Node): string[] {
  return ((ctes as { map?: { key: string }[] } | undefined)?.map ?? []).map(({ key }) => key);
}

/** @returns the dataset, or undefined for the name of a common table expression */
function tableName(
  node: Node,
  sql: string,
  withNames: ReadonlySet<string>,
  known: readonly string[],
): string | undefined {
  const name = String(node.table_name);
  const qualifier = [node.catalog_name, node.schema_name].filter(Boolean).join('.');
  if (qualifier !== '') {
    throw new DrayageError('QUERY_REFUSED', `The query reads "${qualifier}.${name}", which is no dataset`, {
      hint: `Name datasets alone; SHOW TABLES and DESCRIBE tell what there is. ${lineOf(sql, node.query_location)}`,
    });
  }
  const dataset = known.find((one) => one.toLowerCase() === name.toLowerCase());
  if (dataset !== undefined) return dataset;
  if (withNames.has(name.toLowerCase())) {
    if (NOT_FOR_WITH.test(name)) throw refused(`has a WITH called "${name}"`, node, sql);
    return undefined;
  }
  throw new DrayageError('QUERY_INVALID', `There is no dataset "${name}".${didYouMean(name, known)}`, {
    hint: `The lake has ${known.length === 0 ? 'none yet' : known.join(', ')}. ${lineOf(sql, node.query_location)}`,
  });
}

/** What SHOW TABLES and DESCRIBE without a query look at: everything. */
function shown({ table_name: name }: Node, known: readonly string[]): readonly string[] {
  if (/^("?(all_)?tables"?|"?variables"?|)$/i.test(String(name))) return known;
  throw notSelect();
}

function assertTableFunction(call: Node, sql: string): void {
  const name = String(call.function_name).toLowerCase();
  if (!TABLE_FUNCTIONS.has(name)) throw refused(`calls ${name}`, call, sql);
}

function refused(what: string, { query_location: at }: Node, sql: string): DrayageError {
  return new DrayageError('QUERY_REFUSED', `The query ${what}, which is not allowed in a lake`, {
    hint: `A query reads the datasets of its lake and nothing else. ${lineOf(sql, at)}`,
  });
}
