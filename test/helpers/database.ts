import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { inject } from 'vitest';
import { createPool } from '../../src/postgres/pool.ts';

export interface TestDatabase {
  url: string;
  pool: pg.Pool;
  drop(): Promise<void>;
}

/** An empty database for one test file. */
export async function createDatabase(): Promise<TestDatabase> {
  const admin = createPool(inject('postgresUrl'), { max: 1, applicationName: 'dray test' });
  const name = `test_${randomBytes(6).toString('hex')}`;
  await admin.query(`create database ${name}`);
  const url = inject('postgresUrl').replace(/\/drayage$/, `/${name}`);
  const pool = createPool(url, { max: 4, applicationName: 'test' });
  return {
    url,
    pool,
    async drop() {
      await pool.end();
      await admin.query(`drop database ${name} with (force)`);
      await admin.end();
    },
  };
}
