import { randomUUID } from 'node:crypto';
import { rows } from '../duckdb/scan.ts';
import { NULL_TYPE, quoteIdentifier } from '../duckdb/types.ts';
import { type OpenRelation, ROW, type SourceContext, type SourceFault, type Unchecked } from '../model/source.ts';

/** What is made of a partition when it is read. */
export interface Made {
  /** As in OpenRelation, with the columns that were announced. */
  relation: string;
  faults(): AsyncIterable<SourceFault>;
  close(): Promise<void>;
}

/** What may be read before it has been looked at. */
export interface Attempt {
  relation: string;
  unchecked: Unchecked;
  close(): Promise<void>;
}

/** @param expected how many rows there are; undefined when the content is not what it was taken for, as when it rejects */
export function uncheckedBy(expected: Promise<number | undefined>): Unchecked {
  const doubt = new AbortController();
  const known = expected
    .catch(() => undefined)
    .then((rows) => {
      if (rows === undefined) doubt.abort();
      return rows;
    });
  return { doubt: doubt.signal, sure: async (rows) => (await known) === rows };
}

/**
 * A partition whose columns are known while its content is not even there: plans look at the columns alone. Behind its
 * relation is a view, without rows at first, which is put in place when somebody wants to read.
 * @param assertUnchanged as of an open partition
 * @param columns names and DuckDB types
 * @param make brings the content here
 * @param attempt the same, for who reads it at once
 */
export async function deferred(
  assertUnchanged: OpenRelation['assertUnchanged'],
  columns: Readonly<Record<string, string>>,
  { duck }: SourceContext,
  make: () => Promise<Made>,
  attempt?: () => Promise<Attempt>,
): Promise<OpenRelation> {
  const view = quoteIdentifier(`partition ${randomUUID()}`);
  const empty = Object.entries({ ...columns, [ROW]: 'BIGINT' }).map(
    ([name, type]) => `${type === NULL_TYPE ? 'null' : `null::${type}`} as ${quoteIdentifier(name)}`,
  );
  const define = (query: string) =>
    duck.use((connection) => rows(connection, `create or replace view ${view} as ${query}`));
  await define(`select ${empty.join(', ')} where false`);
  let making: Promise<Made> | undefined;
  const made = () => {
    making ??= make().then(async (done) => {
      await define(done.relation);
      return done;
    });
    return making;
  };
  let attempting: Promise<Attempt> | undefined;
  let isSure = false;
  const unchecked = async (): Promise<Unchecked | undefined> => {
    if (making) return undefined;
    attempting ??= attempt!().then(async (tried) => {
      await define(tried.relation);
      return tried;
    });
    const { doubt, sure } = (await attempting).unchecked;
    return {
      doubt,
      sure: async (count) => {
        isSure = await sure(count);
        return isSure;
      },
    };
  };
  return {
    relation: `select * from ${view}`,
    prepare: async () => void (await made()),
    ...(attempt ? { unchecked } : {}),
    faults: async function* () {
      if (!isSure || making) yield* (await made()).faults();
    },
    assertUnchanged,
    close: async () => {
      await duck.use((connection) => rows(connection, `drop view if exists ${view}`)).catch(() => undefined);
      for (const done of [making, attempting]) await (await done?.catch(() => undefined))?.close();
    },
  };
}
