import { Kysely, PostgresDialect } from 'kysely';
import type pg from 'pg';
import { impatient } from './pool.ts';

/** Kysely over a pool, for quick statements. Closing the pool is the owner's business. */
export function kyselyOn<Schema>(pool: pg.Pool): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: impatient(pool) as never }) });
}

/** Kysely over one connection, so that its statements take part in the transaction that is open there. */
export function kyselyOnClient<Schema>(client: pg.PoolClient): Kysely<Schema> {
  const pool = {
    connect: async () => ({ query: client.query.bind(client), release: () => undefined }),
    end: async () => undefined,
  };
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: pool as never }) });
}
