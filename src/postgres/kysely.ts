import { Kysely, PostgresDialect } from 'kysely';
import type pg from 'pg';

/** Kysely over a pool. Closing the pool is the owner's business. */
export function kyselyOn<Schema>(pool: pg.Pool): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
}

/** Kysely over one connection, so that its statements take part in the transaction that is open there. */
export function kyselyOnClient<Schema>(client: pg.PoolClient): Kysely<Schema> {
  const pool = {
    connect: async () => ({ query: client.query.bind(client), release: () => undefined }),
    end: async () => undefined,
  };
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: pool as never }) });
}
