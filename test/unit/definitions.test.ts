import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/base/config.ts';
import { maskText } from '../../src/base/secrets.ts';
import { didYouMean } from '../../src/base/suggest.ts';
import { defineJob } from '../../src/model/job.ts';
import { resolveParams } from '../../src/model/params.ts';
import { PARTITION_STEPS, RUN_STEPS } from '../../src/model/state.ts';
import { table } from '../../src/model/target.ts';
import { sql } from '../../src/transforms/sql.ts';

const VALID = {
  name: 'orders',
  description: 'Orders',
  source: () => ({}) as never,
  targets: { orders: table() },
};

describe('a definition is refused with the field at fault', () => {
  test.each([
    [{ ...VALID, name: 'Orders!' }, 'name'],
    [{ ...VALID, description: '' }, 'description'],
    [{ ...VALID, source: 'path' }, 'source'],
    [{ ...VALID, transform: 'select 1' }, 'transform'],
    [{ ...VALID, targets: {} }, 'targets'],
    [{ ...VALID, targets: { orders: {} } }, 'targets.orders'],
    [{ ...VALID, targets: { a: table(), b: table() } }, 'transform'],
    [{ ...VALID, targets: { a: table(), b: table() }, transform: sql`select 1` }, 'transform'],
    [{ ...VALID, targets: { a: table(), b: table() }, transform: { a: sql`select 1` } }, 'transform.b'],
    [{ ...VALID, transform: { ordres: sql`select 1` } }, 'transform.ordres'],
    [{ ...VALID, maxRejects: '5 percent' }, 'maxRejects'],
    [{ ...VALID, retries: -1 }, 'retries'],
    [{ ...VALID, retry: 3 }, 'retry'],
    [{ ...VALID, params: { path: { type: 'text' } } }, 'params.path'],
    [{ ...VALID, params: { path: { type: 'number', default: 'x' } } }, 'params.path'],
  ])('%#', (definition, field) => {
    expect(() => defineJob(definition as never)).toThrow(
      expect.objectContaining({ code: 'JOB_INVALID', where: expect.objectContaining({ field }) }),
    );
  });

  test('and so is a target', () => {
    expect(() => table({ mode: 'upsert' })).toThrow(/upsert needs one/);
    expect(() => table({ mdoe: 'append' } as never)).toThrow(/Did you mean "mode"/);
  });
});

test('a parameter comes from the command line, else from the environment, else from its default', () => {
  const job = defineJob({
    ...VALID,
    params: {
      path: { type: 'string', env: 'ORDERS_PATH', default: 'a' },
      limit: { type: 'number', default: 1 },
      dry: { type: 'boolean', default: false },
    },
  });
  expect(resolveParams(job, {}, {})).toEqual({ path: 'a', limit: 1, dry: false });
  expect(resolveParams(job, {}, { ORDERS_PATH: 'b' })).toEqual({ path: 'b', limit: 1, dry: false });
  expect(resolveParams(job, { path: 'c', limit: '2.5', dry: 'true' }, { ORDERS_PATH: 'b' })).toEqual({
    path: 'c',
    limit: 2.5,
    dry: true,
  });
  expect(() => resolveParams(job, { dry: 'yes' }, {})).toThrow(/not a boolean/);
});

test('the environment is read once and strictly', () => {
  expect(readConfig({ DATABASE_URL: '', DRAYAGE_CONCURRENCY: '4' }, '/p')).toMatchObject({
    databaseUrl: undefined,
    concurrency: 4,
    home: '/p/.drayage',
  });
  expect(() => readConfig({ DRAYAGE_CONCURRENCY: '0' }, '/p')).toThrow(/DRAYAGE_CONCURRENCY/);
  expect(() => readConfig({ DRAYAGE_LOG_LEVEL: 'loud' }, '/p')).toThrow(/loud/);
});

test.each(['', 'WEB_'])('where Kubernetes says that a service is, is no setting: DRAYAGE_%s…', (service) => {
  const name = `DRAYAGE_${service}`;
  const variables = {
    [`${name}SERVICE_HOST`]: '10.0.0.1',
    [`${name}SERVICE_PORT`]: '80',
    [`${name}SERVICE_PORT_HTTP`]: '80',
    [`${name}PORT`]: 'tcp://10.0.0.1:80',
    [`${name}PORT_80_TCP`]: 'tcp://10.0.0.1:80',
    [`${name}PORT_80_TCP_PROTO`]: 'tcp',
    [`${name}PORT_80_TCP_PORT`]: '80',
    [`${name}PORT_80_TCP_ADDR`]: '10.0.0.1',
  };
  expect(readConfig(variables, '/p').web.port).toBe(8080);
  expect(() => readConfig({ [`${name}PORT_HTTP`]: '80' }, '/p')).toThrow(/Unknown environment variable/);
  expect(() => readConfig({ DRAYAGE_PORT: '80' }, '/p')).toThrow(/DRAYAGE_PORT/);
  expect(readConfig({ DRAYAGE_WEB_PORT: '81' }, '/p').web.port).toBe(81);
});

test('passwords are hidden wherever they stand', () => {
  const text = 'connect postgresql://ops:hunter2@db:5432/x?password=hunter2&sslmode=require failed';
  expect(maskText(text)).toBe('connect postgresql://ops:***@db:5432/x?password=***&sslmode=require failed');
});

test('a near name is suggested, a far one is not', () => {
  expect(didYouMean('stauts', ['status', 'start'])).toBe(' Did you mean "status"?');
  expect(didYouMean('xyz', ['status', 'start'])).toBe('');
});

test('every step of a life leads to a state that exists', () => {
  for (const steps of [RUN_STEPS, PARTITION_STEPS] as Record<string, readonly string[]>[]) {
    for (const next of Object.values(steps).flat()) expect(Object.keys(steps)).toContain(next);
  }
});
