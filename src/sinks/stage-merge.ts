import type { ClientBase, QueryResult } from 'pg';
import { digest } from '../base/ids.ts';
import type { Target } from '../model/target.ts';
import { quoteIdentifier, type Table, type UniqueIndex } from '../postgres/catalog.ts';
import { violatesAny } from '../postgres/errors.ts';
import type { Placed } from './careful.ts';
import { keyIndexes, type MappedColumn } from './mapping.ts';
import { copyRows, RowCopy, type Stretch } from './row-copy.ts';
import { Savepoint } from './savepoint.ts';
import { dropSuperseded } from './superseded.ts';
import { bothWithin, prepareJoin, recordOf } from './unique.ts';

/** So many rows at the most are merged without telling the server more about them than how many they are. */
const FEW = 200;

/** Times that a merge is begun again because somebody else has inserted one of its keys in the meantime. */
const MERGE_TRIES = 5;

/** Types whose values are equal only when they are the same to the last bit; comparing them is quicker that way. */
const PLAIN = /^(bool|int[248]|date|time|timestamp|timestamptz|uuid|bytea)$/;
/** Texts, which some collations call equal when they are not the same. */
const TEXT = /^(text|varchar)$/;

/**
 * Merges rows into a table by key, by way of a temporary table: of rows with the same key one wins, and rows that are
 * there already and equal are not touched. Runs in the caller's transaction, again and again if need be.
 */
export class StageMerge {
  /** Of the temporary table, ready for SQL. */
  readonly stage: string;
  readonly #client: ClientBase;
  readonly #table: Table;
  readonly #target: Target;
  readonly #columns: readonly MappedColumn[];
  readonly #seen: string | undefined;
  readonly #index: UniqueIndex;
  readonly #names: string[];
  readonly #key: string[];
  #staged = false;
  #large = false;

  /** @param seen table that keeps the keys that were met, quoted, for a merge that deletes the others at the end */
  constructor(client: ClientBase, table: Table, target: Target, columns: readonly MappedColumn[], seen?: string) {
    this.#client = client;
    this.#table = table;
    this.#target = target;
    this.#columns = columns;
    this.#seen = seen;
    this.#index = keyIndexes(table, target.key)[0]!;
    this.#names = columns.map(({ name }) => quoteIdentifier(name));
    this.#key = target.key.map(quoteIdentifier);
    this.stage = `pg_temp.drayage_stage_${digest(String(table.oid), ...this.#names).slice(0, 12)}`;
  }

  /** Makes the stage, where rows are copied to before `merge`, or makes it empty. */
  async openStage(): Promise<void> {
    await this.#client.query(this.opening());
  }

  /** The statements that do that, for whoever is about to send them with others. */
  opening(): string {
    const again = this.#staged;
    this.#staged = true;
    if (again) return `truncate ${this.stage}; drop index if exists ${this.stage}_key`;
    // A stage has the columns' types and nothing else: no constraint may fire before the merge. An earlier partition
    // of the transaction may have left its own, with the few rows that it had.
    return `create temp table if not exists ${this.stage} on commit drop as
      select ${this.#names.join(', ')} from ${this.#table.sql} with no data; delete from ${this.stage}`;
  }

  /** Copies and merges in one go. */
  async place(stretches: readonly Stretch[]): Promise<Placed> {
    await this.openStage();
    const copy = new RowCopy(this.#client, this.stage, this.#columns);
    return { ...(await this.merge(await copyRows(copy, stretches))), checksum: copy.checksum.toString() };
  }

  /** Merges what is in the stage. @param savepoint to be released, if that can be sent together with the merge */
  async merge(copied: number, savepoint?: Savepoint): Promise<Omit<Placed, 'checksum'>> {
    const few = copied <= FEW;
    const superseded = copied > 1 ? await dropSuperseded(this.#client, this.stage, this.#target, this.#index, few) : 0;
    if (!few) await prepareJoin(this.#client, this.stage);
    const from = few ? `(select * from ${this.stage} limit ${FEW})` : this.stage;
    const written = await this.#merge(from, few && !this.#seen ? savepoint : undefined);
    if (this.#seen) {
      await this.#client.query(`insert into ${this.#seen} select ${this.#key.join(', ')} from ${this.stage}`);
    }
    this.#large ||= !few;
    return { written, unchanged: copied - superseded - written, superseded };
  }

  /** The stage goes with the transaction, and serves other partitions in it; a large one makes room at once. */
  async close(): Promise<void> {
    if (this.#large) await this.#client.query(`drop table ${this.stage}`);
    this.#staged = false;
  }

  /** @returns rows inserted or updated */
  async #merge(from: string, savepoint: Savepoint | undefined): Promise<number> {
    const statements = this.#mergeStatements(from);
    const indexes = keyIndexes(this.#table, this.#target.key);
    for (let tries = 1; ; tries++) {
      try {
        // The one around it takes this one with it.
        const release = savepoint ? Savepoint.RELEASE : 'release savepoint merge';
        const results = await this.#client.query(`savepoint merge; ${statements.join('; ')}; ${release}`);
        savepoint?.wasReleased();
        const merged = (results as unknown as QueryResult[]).slice(1, -1);
        return merged.reduce((rows, { rowCount }) => rows + (rowCount ?? 0), 0);
      } catch (error) {
        // MERGE does not see what another transaction is just inserting; the next try does.
        if (tries === MERGE_TRIES || !indexes.some(({ names }) => violatesAny(error, names))) throw error;
        await this.#client.query('rollback to savepoint merge');
      }
    }
  }

  #mergeStatements(from: string): string[] {
    const equal = this.#key.map((name) => `t.${name} = s.${name}`);
    if (!this.#index.nullsEqual) return [this.#mergeStatement(from, equal)];
    // Records are compared without an index: only rows that have a null go that way.
    const some = (side: string) => `(${this.#key.map((name) => `${side}.${name} is null`).join(' or ')})`;
    return [
      this.#mergeStatement(`(select * from ${from} f where not ${some('f')})`, equal),
      this.#mergeStatement(`(select * from ${from} f where ${some('f')})`, [
        `${recordOf(this.#key, 't')} = ${recordOf(this.#key, 's')}`,
        some('t'),
      ]),
    ];
  }

  /** @param same when a row of the table, t, is that of the stage, s */
  #mergeStatement(from: string, same: readonly string[]): string {
    const list = this.#names.join(', ');
    const matches = [...same, ...bothWithin(this.#index.predicate)];
    const identity = this.#table.columns.some((column) => column.identity) ? ' overriding system value' : '';
    return [
      `merge into ${this.#table.sql} t using ${from} s on ${matches.join(' and ')}`,
      this.#whenMatched(),
      `when not matched then insert (${list})${identity} values (${this.#names.map((name) => `s.${name}`).join(', ')})`,
    ].join('\n');
  }

  #whenMatched(): string {
    const { onConflict, version } = this.#target;
    const others = this.#names.filter((name) => !this.#key.includes(name));
    if (onConflict === 'ignore' || others.length === 0) return '';
    const changed = this.#changed(others);
    const v = version === undefined ? undefined : quoteIdentifier(version);
    const newer = v ? ` and (t.${v} is null or s.${v} >= t.${v})` : '';
    const updates = others.map((name) => `${name} = s.${name}`).join(', ');
    return `when matched and ${changed}${newer} then update set ${updates}`;
  }

  /** Whether any of these columns is not the same to the last bit. */
  #changed(names: readonly string[]): string {
    const is = (quoted: string, types: RegExp) => {
      const column = this.#table.columns.find(({ name }) => quoteIdentifier(name) === quoted)!;
      return column.pgType.builtIn && types.test(column.pgType.name);
    };
    const cell = (alias: string, name: string) => `${alias}.${name}${is(name, TEXT) ? ' collate "C"' : ''}`;
    const row = (alias: string, columns: string[]) => `row(${columns.map((name) => cell(alias, name)).join(', ')})`;
    const isPlain = (name: string) => is(name, PLAIN) || is(name, TEXT);
    const plain = names.filter(isPlain);
    const others = names.filter((name) => !isPlain(name));
    const parts: string[] = [];
    if (plain.length > 0) parts.push(`${row('t', plain)} is distinct from ${row('s', plain)}`);
    // Equal numbers may still differ in their digits, and equal texts in their case: these are compared by their images.
    if (others.length > 0) {
      parts.push(`${row('t', others)}::record operator(pg_catalog.*<>) ${row('s', others)}::record`);
    }
    return `(${parts.join(' or ')})`;
  }
}
