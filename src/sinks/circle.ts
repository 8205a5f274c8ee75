import type { ClientBase } from 'pg';
import { type DeferrableConstraint, quoteIdentifier, type Table } from '../postgres/catalog.ts';
import { copyOut } from '../postgres/copy-out.ts';
import { breaks } from '../postgres/errors.ts';
import { Images } from './images.ts';
import type { MappedColumn } from './mapping.ts';
import type { Stretch } from './row-copy.ts';

/** A foreign key that can only be checked when a table is filled that comes after its own. */
export interface WaitingKey {
  key: DeferrableConstraint;
  table: Table;
  /** What it refers to. */
  other: Table;
}

/** Foreign keys of tables to later ones. @param tables in the order in which they are filled */
export function waitingKeys(tables: readonly Table[]): WaitingKey[] {
  return tables.flatMap((table, at) =>
    table.deferrables.flatMap((key) => {
      const other = tables.slice(at + 1).find(({ oid }) => oid === key.refersTo);
      return other ? [{ key, table, other }] : [];
    }),
  );
}

/** What has to be said of foreign keys that cannot wait for a later table. @param tables as above */
export async function lateReferences(
  client: ClientBase,
  tables: readonly Table[],
): Promise<{ oid: number; warning: string }[]> {
  const { rows } = await client.query<{ oid: number; warning: string }>(
    `select a.oid::int8::float8 as oid, format('%1$s: the foreign key %2$I refers to %3$s, which is filled later, so that what refers to new rows of it '
         || 'will be rejected. Name %3$s first among the targets, or make the key wait: '
         || 'alter table %1$s alter constraint %2$I deferrable.', a.name, k.conname, b.name) as warning
     from unnest($1::oid[], $2::text[]) with ordinality a(oid, name, place)
     join unnest($1::oid[], $2::text[]) with ordinality b(oid, name, place) on b.place > a.place
     join pg_constraint k on k.conrelid = a.oid and k.confrelid = b.oid and k.contype = 'f' and not k.condeferrable
     order by a.place, k.conname`,
    [tables.map(({ oid }) => oid), tables.map(({ sql }) => sql)],
  );
  return rows;
}

/** The statement that checks a table's deferred constraints when it is filled; undefined when there are none. */
export function checkOf({ deferrables }: Table, waiting: readonly WaitingKey[]): string | undefined {
  if (deferrables.length === 0) return undefined;
  if (waiting.length === 0) return 'set constraints all immediate';
  const own = deferrables.filter((constraint) => !waiting.some(({ key }) => key === constraint));
  return own.length > 0 ? setConstraints(own, 'immediate') : undefined;
}

function setConstraints(constraints: readonly DeferrableConstraint[], when: 'immediate' | 'deferred'): string {
  return `set constraints ${constraints.map(({ sql }) => sql).join(', ')} ${when}`;
}

/**
 * Fills tables that refer to each other. Their keys are checked when all are filled; when that fails, everything is done
 * again without the rows whose others have not come.
 */
export class Circle {
  readonly #client: ClientBase;
  readonly #waiting: readonly WaitingKey[];
  /** By key, the images of values that refer to nothing. */
  readonly #gone = new Map<WaitingKey, Set<string>>();

  constructor(client: ClientBase, waiting: readonly WaitingKey[]) {
    this.#client = client;
    this.#waiting = waiting;
  }

  /** @throws the server's error when a key is broken by rows that cannot be told */
  async fill<Outcome>(tables: () => Promise<Outcome>): Promise<Outcome> {
    if (this.#waiting.length === 0) return tables();
    const keys = this.#waiting.map(({ key }) => key);
    await this.#client.query('savepoint circle');
    for (;;) {
      await this.#client.query(setConstraints(keys, 'deferred'));
      const outcome = await tables();
      await this.#client.query('savepoint filled');
      try {
        await this.#client.query(setConstraints(keys, 'immediate'));
        await this.#client.query('release savepoint circle');
        return outcome;
      } catch (error) {
        const names = keys.map(({ name }) => name);
        if (!breaks(error, names)) throw error;
        await this.#client.query('rollback to savepoint filled');
        if (!(await this.#findGone())) throw error;
      }
      await this.#client.query('rollback to savepoint circle');
    }
  }

  /** What is known of rows of a table that refer to nothing. */
  lostFrom(table: Table, columns: readonly MappedColumn[]): Lost[] {
    return [...this.#gone].flatMap(([{ key, table: own, other }, gone]) => {
      const parts = key.from.map((name) => columns.find((column) => column.name === name));
      if (own !== table || parts.includes(undefined)) return [];
      return [new Lost(parts as MappedColumn[], gone, messageOf(key, own, other))];
    });
  }

  /** @returns whether any were found that were not known */
  async #findGone(): Promise<boolean> {
    let found = false;
    for (const waiting of this.#waiting) {
      const { key, table, other } = waiting;
      const gone = this.#gone.get(waiting) ?? new Set();
      this.#gone.set(waiting, gone);
      const from = key.from.map((name) => `a.${quoteIdentifier(name)}`);
      const same = from.map((column, at) => `b.${quoteIdentifier(key.to[at]!)} = ${column}`).join(' and ');
      const whole = from.map((column) => `${column} is not null`).join(' and ');
      const query = `select distinct ${from.join(', ')} from ${table.sql} a
        where ${whole} and not exists (select from ${other.sql} b where ${same})`;
      const before = gone.size;
      await copyOut(this.#client, query, (bytes, _, start, end) => gone.add(imageOf(bytes, start, end)));
      found ||= gone.size > before;
    }
    return found;
  }
}

const imageOf = (bytes: Uint8Array, start: number, end: number) =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');

function messageOf({ name }: DeferrableConstraint, table: Table, other: Table): string {
  return `row of ${table.sql} breaks foreign key constraint "${name}"; what it refers to is not in ${other.sql}`;
}

/** Rows of a table that refer to rows of a later one which do not come. */
export class Lost {
  readonly message: string;
  readonly #images: Images;
  readonly #gone: ReadonlySet<string>;

  /** @param columns of the key @param gone images of their values */
  constructor(columns: readonly MappedColumn[], gone: ReadonlySet<string>, message: string) {
    this.message = message;
    this.#images = new Images(columns);
    this.#gone = gone;
  }

  /** @returns their places in the batch, in order */
  in(stretch: Stretch): number[] {
    const rows: number[] = [];
    for (const each of this.#images.of(stretch)) {
      each((row, start, end) => {
        if (this.#gone.has(imageOf(this.#images.bytes, start, end))) rows.push(row);
      });
    }
    return rows;
  }
}
