import type { ClientBase } from 'pg';
import type { Target } from '../model/target.ts';
import { quoteIdentifier, type Table } from '../postgres/catalog.ts';
import { keyIndexes, type MappedColumn } from './mapping.ts';
import { RowCopy } from './row-copy.ts';
import { dropSuperseded } from './superseded.ts';

/** A value that is not the same on both sides. */
export interface DifferentField {
  column: string;
  source: string | null;
  target: string | null;
}

/** A row of the source that the table does not hold as it should. */
export interface Difference {
  table: string;
  partition: number;
  /** `missing` has no row with its key, or, in a table without keys, no row that is equal. */
  kind: 'missing' | 'different';
  /** By column; a missing row without a key is given whole. */
  key: Record<string, unknown>;
  fields: DifferentField[];
}

/** Rows that are judged together: small partitions would take longer to judge than to read. */
const STAGED_ROWS = 20_000;
/** The column that numbers them in the order in which they came. */
const NUMBER = 'drayage_number';
/** With one more for the number, a table has all that it can have (`MaxHeapAttributeNumber`). */
const MOST_COLUMNS = 1600;
/** Rows that are told with their values. */
const TOLD = 100;
/** Characters of a value that are told. */
const TOLD_CHARACTERS = 2000;

/**
 * Holds rows of the source against a table: they are staged in the table's own types, and Postgres compares the binary
 * images of both sides. Rows are found by key; in a table without one they are counted by their content. Everything is
 * temporary, and lives as long as the caller's transaction.
 */
export class Comparison {
  readonly table: Table;
  /** Columns by which rows are found; empty for a table without a key. */
  readonly key: readonly string[];
  readonly #client: ClientBase;
  readonly #target: Target;
  readonly #columns: readonly MappedColumn[];
  readonly #id: string;
  #opened = false;
  /** Whose rows are staged, and the number of the first one of each. */
  #partitions: { partition: number; first: number }[] = [];
  #rows = 0;
  /** Whether rows without a key have been counted against those of the table. */
  #counted = false;

  /**
   * @param columns what the load writes
   * @param id tells the temporary tables of several comparisons apart
   */
  constructor(client: ClientBase, table: Table, target: Target, columns: readonly MappedColumn[], id: string) {
    this.#client = client;
    this.table = table;
    this.#target = target;
    this.#columns = columns;
    this.#id = id;
    this.key = keyOf(table, target, columns);
  }

  get #stage(): string {
    return `pg_temp.drayage_compare_${this.#id}`;
  }

  /** Keys, or contents, of what is not as it should be. */
  get #suspects(): string {
    return `pg_temp.drayage_suspects_${this.#id}`;
  }

  /** Where the rows of a partition are copied to. @param columns the same ones, as they lie in what is read */
  async stage(columns: readonly MappedColumn[]): Promise<RowCopy> {
    if (!this.#opened) await this.#open();
    return new RowCopy(this.#client, this.#stage, columns);
  }

  /** Says whose rows were staged, and how many. @returns whether it is time to judge them */
  staged(partition: number, rows: number): boolean {
    if (rows === 0) return false;
    this.#partitions.push({ partition, first: this.#rows + 1 });
    this.#rows += rows;
    return this.#rows >= STAGED_ROWS || !this.#isNumbered;
  }

  async #open(): Promise<void> {
    const list = this.#columns.map(({ name }) => quoteIdentifier(name)).join(', ');
    const told = 'null::bigint as partition, null::text as kind, null::jsonb as fields';
    const what = this.key.length > 0 ? this.#names().join(', ') : 'null::bytea as image, null::text as content';
    await this.#client.query(
      `create temp table ${bare(this.#stage)} on commit drop as select ${list} from ${this.table.sql} with no data;
       ${this.#isNumbered ? `alter table ${this.#stage} add column ${NUMBER} integer generated always as identity;` : ''}
       create temp table ${bare(this.#suspects)} on commit drop as select ${what}, ${told} from ${this.table.sql} with no data`,
    );
    this.#opened = true;
  }

  /** A table may be as wide as tables can be: then a stage holds one partition. */
  get #isNumbered(): boolean {
    return this.#columns.length < MOST_COLUMNS;
  }

  /**
   * Judges what is staged, in the order in which it came. Whatever earlier rows with the same key were found to be no
   * longer counts.
   */
  async judge(): Promise<void> {
    if (this.#rows === 0) return;
    const { key } = this.#target;
    const [index] = keyIndexes(this.table, key);
    if (key.length > 0 && index) await dropSuperseded(this.#client, this.#stage, this.#target, index);
    await this.#client.query(`analyze ${this.#stage}`);
    await (this.key.length > 0 ? this.#lookUp() : this.#note());
    await this.#clear();
  }

  async #lookUp(): Promise<void> {
    await this.#client.query(`delete from ${this.#suspects} x using ${this.#stage} s where ${this.#same('x', 's')}`);
    await this.#client.query(
      `insert into ${this.#suspects}
       select ${this.#names('s').join(', ')}, ${this.#partitionOf('s')},
         case when t.drayage_found then 'different' else 'missing' end,
         case when row_number() over () <= ${TOLD} and t.drayage_found then ${this.#fields()} end
       from ${this.#stage} s left join (select *, true as drayage_found from ${this.table.sql}) t on ${this.#same('t', 's')}
       where t.drayage_found is null or ${this.#image('t')} operator(pg_catalog.*<>) ${this.#image('s')}`,
      this.#partitionValues(),
    );
  }

  /** Notes what is staged by its content. */
  async #note(): Promise<void> {
    await this.#client.query(
      `insert into ${this.#suspects} (image, content, partition, kind)
       select sha256(record_send(${this.#image('s')})), left((to_jsonb(s) - '${NUMBER}')::text, ${TOLD_CHARACTERS}),
         ${this.#partitionOf('s')}, 'missing' from ${this.#stage} s`,
      this.#partitionValues(),
    );
  }

  /** The partition that a staged row came from. */
  #partitionOf(alias: string): string {
    const place = this.#isNumbered ? `width_bucket(${alias}.${NUMBER}, $2::integer[])` : '$2::integer';
    return `($1::bigint[])[${place}]`;
  }

  #partitionValues(): unknown[] {
    const partitions = this.#partitions.map(({ partition }) => partition);
    return [partitions, this.#isNumbered ? this.#partitions.map(({ first }) => first) : 1];
  }

  /** Takes back what was found wrong with rows that the table holds as they are staged now. @returns how many */
  async pardon(): Promise<number> {
    if (this.#rows === 0) return 0;
    let pardoned = 0;
    if (this.key.length > 0) {
      await this.#client.query(`analyze ${this.#stage}`);
      const { rowCount } = await this.#client.query(
        `delete from ${this.#suspects} x using ${this.#stage} s, ${this.table.sql} t
         where ${this.#same('x', 's')} and ${this.#same('t', 's')}
           and ${this.#image('t')} operator(pg_catalog.*=) ${this.#image('s')}`,
      );
      pardoned = rowCount ?? 0;
    }
    await this.#clear();
    return pardoned;
  }

  async #clear(): Promise<void> {
    await this.#client.query(`truncate ${this.#stage} restart identity; drop index if exists ${this.#stage}_key`);
    this.#partitions = [];
    this.#rows = 0;
  }

  /** Leaves only what another comparison of the same table found wrong, too. */
  async confirm(other: Comparison): Promise<void> {
    if (!this.#opened || !other.#opened || this.key.length === 0) return;
    await this.#client.query(
      `delete from ${this.#suspects} x where not exists (select from ${other.#suspects} s where ${this.#same('x', 's')})`,
    );
  }

  /** To be asked when everything was judged: by partition, how many rows are missing or different. */
  async counts(): Promise<{ partition: number; kind: Difference['kind']; rows: number }[]> {
    if (!this.#opened) return [];
    if (this.key.length === 0 && !this.#counted) await this.#dropFound();
    this.#counted = true;
    const { rows } = await this.#client.query(
      `select partition, kind, count(*) as rows from ${this.#suspects} group by partition, kind order by partition, kind`,
    );
    return rows;
  }

  /** In a table without a key a row is there as often as an equal one is in the table. */
  async #dropFound(): Promise<void> {
    const images = `select sha256(record_send(${this.#image('t')})) as image from ${this.table.sql} t`;
    await this.#client.query(
      `delete from ${this.#suspects} x using (
         select ctid, image, row_number() over (partition by image) as place from ${this.#suspects}
       ) p, (select image, count(*) as held from (${images}) i group by image) f
       where p.ctid = x.ctid and f.image = p.image and p.place <= f.held`,
    );
  }

  /** @param limit at most so many */
  async differences(limit: number): Promise<Difference[]> {
    if (!this.#opened) return [];
    const key =
      this.key.length > 0
        ? `to_jsonb((select k from (select ${this.#names('x').join(', ')}) k))`
        : `jsonb_build_object('row', x.content)`;
    const { rows } = await this.#client.query<Omit<Difference, 'table'>>(
      `select x.partition, x.kind, ${key} as key, coalesce(x.fields, '[]') as fields
       from ${this.#suspects} x order by x.fields is null, x.partition limit ${limit}`,
    );
    return rows.map((row) => ({ ...row, table: this.table.sql }));
  }

  #names(alias?: string): string[] {
    return this.key.map((name) => `${alias ? `${alias}.` : ''}${quoteIdentifier(name)}`);
  }

  #same(a: string, b: string): string {
    return this.key.map((name) => `${a}.${quoteIdentifier(name)} = ${b}.${quoteIdentifier(name)}`).join(' and ');
  }

  #image(alias: string, columns = this.#columns.map(({ name }) => name)): string {
    return `row(${columns.map((name) => `${alias}.${quoteIdentifier(name)}`).join(', ')})::record`;
  }

  /** The values that differ, as a JSON array. */
  #fields(): string {
    const fields = this.#columns.map(({ name }) => {
      const [one, other] = [this.#image('t', [name]), this.#image('s', [name])];
      const text = (alias: string) => `left(${alias}.${quoteIdentifier(name)}::text, ${TOLD_CHARACTERS})`;
      const told = `'column', ${quoteText(name)}, 'source', ${text('s')}, 'target', ${text('t')}`;
      return `case when ${one} operator(pg_catalog.*<>) ${other} then jsonb_build_object(${told}) end`;
    });
    return `to_jsonb(array_remove(array[${fields.join(', ')}], null))`;
  }
}

/** The columns of a unique index that finds every row: no nulls, no predicate, and all of it loaded. */
function keyOf(table: Table, { key }: Target, columns: readonly MappedColumn[]): readonly string[] {
  const loaded = new Map(columns.map((column) => [column.name, column.notNull]));
  const finds = table.uniqueIndexes.filter(({ columns: names, predicate }) => {
    return predicate === null && names.every((name) => loaded.get(name));
  });
  const wanted = [...key].sort().join('\0');
  const found = finds.find(({ columns: names }) => [...names].sort().join('\0') === wanted) ?? finds[0];
  return found?.columns ?? [];
}

/** Temporary tables are created without their schema. */
function bare(name: string): string {
  return name.replace('pg_temp.', '');
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
