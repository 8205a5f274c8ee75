import type { ClientBase } from 'pg';
import type { UniqueIndex } from '../postgres/catalog.ts';
import { codeOf, UNIQUE_VIOLATION } from '../postgres/errors.ts';

/** When two rows have the same key. */
export type Uniqueness = Pick<UniqueIndex, 'predicate' | 'nullsEqual'>;

/**
 * Whether no two rows of a temporary table have the same key: an index that can be built says so sooner than any query.
 * It stays, as `<table>_key`, for the join that follows.
 * @param key column list, quoted
 * @param like the index whose idea of uniqueness counts; left out for one without a predicate, in which nulls differ
 */
export async function isUnique(client: ClientBase, table: string, key: string, like?: Uniqueness): Promise<boolean> {
  const nulls = like?.nullsEqual ? ' nulls not distinct' : '';
  const where = like?.predicate ? ` where ${like.predicate}` : '';
  const index = `${table.split('.').at(-1)}_key`;
  await client.query('savepoint index');
  try {
    await client.query(`create unique index ${index} on ${table} (${key})${nulls}${where}`);
  } catch (error) {
    if (codeOf(error) !== UNIQUE_VIOLATION) throw error;
    await client.query('rollback to savepoint index');
    return false;
  }
  await client.query('release savepoint index');
  return true;
}

/**
 * When a row `t` of the table and another one, `s`, have the same key.
 * @param key quoted
 */
export function sameKey({ predicate, nullsEqual }: Uniqueness, key: readonly string[]): string {
  const equal = nullsEqual
    ? [`${recordOf(key, 't')} = ${recordOf(key, 's')}`]
    : key.map((name) => `t.${name} = s.${name}`);
  return [...equal, ...bothWithin(predicate)].join(' and ');
}

/** The key as a record: nulls are equal to each other in records, which no index finds. */
export function recordOf(key: readonly string[], side: string): string {
  return `row(${key.map((name) => `${side}.${name}`).join(', ')})::record`;
}

/** That a partial index is about both rows, `t` and `s`: its bare names mean the one row of the innermost query. */
export function bothWithin(predicate: string | null): string[] {
  return (predicate ? ['t', 's'] : []).map((side) => `(select ${predicate} from (select (${side}).*) p)`);
}

/** What a join may use: with the server's default of 4 MB it would go by way of files. */
const WORK_MEMORY = '64MB';

/**
 * Tells the planner, for this transaction, what it does not know about a temporary table that was just filled: in what
 * order its rows are, and that its pages are in memory. Two tables in the order of their keys are then joined along
 * their indexes, in half the time that hashing one takes.
 */
export async function prepareJoin(client: ClientBase, table: string): Promise<void> {
  await client.query(
    `select set_config('work_mem', $1, true) where pg_size_bytes(current_setting('work_mem')) < pg_size_bytes($1)`,
    [WORK_MEMORY],
  );
  await client.query(`set local random_page_cost = 1.1; analyze ${table}`);
}
