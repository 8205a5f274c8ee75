import type { ClientBase } from 'pg';
import type { Target } from '../model/target.ts';
import { quoteIdentifier, type Table } from '../postgres/catalog.ts';
import { violates } from '../postgres/errors.ts';
import type { Placed } from './careful.ts';
import { keyIndexes, type MappedColumn } from './mapping.ts';
import { copyRows, RowCopy, type Stretch } from './row-copy.ts';

const STAGE = 'pg_temp.drayage_stage';

/** Times that a merge is begun again because somebody else has inserted one of its keys in the meantime. */
const MERGE_TRIES = 5;

/**
 * Merges rows into a table by key, by way of a temporary table: of rows with the same key one wins, and rows that are
 * there already and equal are not touched. Runs in the caller's transaction, again and again if need be.
 */
export class StageMerge {
  readonly #client: ClientBase;
  readonly #table: Table;
  readonly #target: Target;
  readonly #columns: readonly MappedColumn[];
  readonly #seen: string | undefined;
  readonly #names: string[];
  readonly #key: string[];
  #staged = false;

  /** @param seen table that keeps the keys that were met, quoted, for a merge that deletes the others at the end */
  constructor(client: ClientBase, table: Table, target: Target, columns: readonly MappedColumn[], seen?: string) {
    this.#client = client;
    this.#table = table;
    this.#target = target;
    this.#columns = columns;
    this.#seen = seen;
    this.#names = columns.map(({ name }) => quoteIdentifier(name));
    this.#key = target.key.map(quoteIdentifier);
  }

  /** Where rows are copied to before `merge`; empty at first, and after each merge. */
  async openStage(): Promise<RowCopy> {
    if (this.#staged) await this.#client.query(`truncate ${STAGE}`);
    else {
      // A stage has the columns' types and nothing else: no constraint may fire before the merge.
      await this.#client.query(
        `create temp table drayage_stage on commit drop as
         select ${this.#names.join(', ')} from ${this.#table.sql} with no data`,
      );
    }
    this.#staged = true;
    return new RowCopy(this.#client, STAGE, this.#columns);
  }

  /** Copies and merges in one go. */
  async place(stretches: readonly Stretch[]): Promise<Placed> {
    const copy = await this.openStage();
    return this.merge(await copyRows(copy, stretches), copy.checksum.toString());
  }

  /** Merges what is in the stage. */
  async merge(copied: number, checksum: string): Promise<Placed> {
    const superseded = await this.#dropSuperseded();
    const written = await this.#merge();
    if (this.#seen) {
      await this.#client.query(`insert into ${this.#seen} select ${this.#key.join(', ')} from ${STAGE}`);
    }
    return { written, unchanged: copied - superseded - written, superseded, checksum };
  }

  /** The stage goes with the transaction; in a longer one it has to make room for the next table's. */
  async close(): Promise<void> {
    if (this.#staged) await this.#client.query(`drop table ${STAGE}`);
    this.#staged = false;
  }

  /**
   * Leaves one row of each key. The order in a fresh table filled by COPY is the order of arrival: the last row wins,
   * or that with the highest version; where rows that exist are ignored, the first. Nulls are never equal.
   */
  async #dropSuperseded(): Promise<number> {
    const key = this.#key.join(', ');
    const whole = this.#key.map((name) => `${name} is not null`).join(' and ');
    const { rowCount: twice } = await this.#client.query(
      `select from ${STAGE} where ${whole} group by ${key} having count(*) > 1 limit 1`,
    );
    if (twice === 0) return 0;
    const { version, onConflict } = this.#target;
    const newest = version === undefined ? '' : `${quoteIdentifier(version)} desc nulls last, `;
    const arrival = onConflict === 'ignore' ? 'ctid' : 'ctid desc';
    const { rowCount } = await this.#client.query(
      `delete from ${STAGE} s using (
         select ctid, row_number() over (partition by ${key} order by ${newest}${arrival}) as place
         from ${STAGE} where ${whole}
       ) o where o.ctid = s.ctid and o.place > 1`,
    );
    return rowCount ?? 0;
  }

  /** @returns rows inserted or updated */
  async #merge(): Promise<number> {
    const statement = this.#mergeStatement();
    const indexes = keyIndexes(this.#table, this.#target.key);
    for (let tries = 1; ; tries++) {
      await this.#client.query('savepoint merge');
      try {
        const { rowCount } = await this.#client.query(statement);
        await this.#client.query('release savepoint merge');
        return rowCount ?? 0;
      } catch (error) {
        // MERGE does not see what another transaction is just inserting; the next try does.
        if (tries === MERGE_TRIES || !indexes.some(({ name }) => violates(error, name))) throw error;
        await this.#client.query('rollback to savepoint merge');
      }
    }
  }

  #mergeStatement(): string {
    const list = this.#names.join(', ');
    const matches = this.#key.map((name) => `t.${name} = s.${name}`);
    const predicate = keyIndexes(this.#table, this.#target.key)[0]?.predicate;
    // Bare names in the predicate of a partial index mean the one row of the innermost query.
    if (predicate) for (const side of ['t', 's']) matches.push(`(select ${predicate} from (select (${side}).*) p)`);
    const identity = this.#table.columns.some((column) => column.identity) ? ' overriding system value' : '';
    return [
      `merge into ${this.#table.sql} t using ${STAGE} s on ${matches.join(' and ')}`,
      this.#whenMatched(),
      `when not matched then insert (${list})${identity} values (${this.#names.map((name) => `s.${name}`).join(', ')})`,
    ].join('\n');
  }

  #whenMatched(): string {
    const { onConflict, version } = this.#target;
    const others = this.#names.filter((name) => !this.#key.includes(name));
    if (onConflict === 'ignore' || others.length === 0) return '';
    const side = (alias: string) => `row(${others.map((name) => `${alias}.${name}`).join(', ')})::record`;
    // Compares the images: equal numbers may still differ in their digits, and equal texts in their case.
    const changed = `${side('t')} operator(pg_catalog.*<>) ${side('s')}`;
    const v = version === undefined ? undefined : quoteIdentifier(version);
    const newer = v ? ` and (t.${v} is null or s.${v} >= t.${v})` : '';
    const updates = others.map((name) => `${name} = s.${name}`).join(', ');
    return `when matched and ${changed}${newer} then update set ${updates}`;
  }
}
