import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openapi } from '../../src/web/api/openapi.ts';
import { addApi, ENDPOINTS } from '../../src/web/api/routes.ts';
import type { Web } from '../../src/web/web.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { HOSTILE, type RunningWeb, seedEverything, seedRun, startWeb, TOKEN } from '../helpers/web.ts';

const REPOSITORY = join(import.meta.dirname, '../..');

let database: TestDatabase;
let web: RunningWeb;
let run: number;
let partition: number;

beforeAll(async () => {
  database = await createDatabase();
  web = await startWeb(database.url, { token: TOKEN }, REPOSITORY);
  ({ run, partition } = await seedEverything(database.pool));
});

afterAll(async () => {
  await web.close();
  await database.drop();
});

// biome-ignore lint/suspicious/noExplicitAny: what comes is looked at by the tests
const json = async (path: string): Promise<any> => (await web.get(path)).json();

const pages = () => [
  '/',
  '/?q=%3Cscript%3E&state=running',
  `/?job=${encodeURIComponent(HOSTILE)}`,
  `/runs/${run}`,
  `/runs/${run}/partitions`,
  `/runs/${run}/partitions?state=failed&q=script`,
  `/runs/${run}/partitions/${partition}`,
  `/runs/${run}/rejects`,
  `/runs/${run}/rejects?reason=${encodeURIComponent(HOSTILE)}`,
  '/workers',
  '/jobs',
  `/jobs/${encodeURIComponent(HOSTILE)}`,
];

describe('pages', () => {
  test('show everything, escape all of it, and tell no secret', async () => {
    for (const path of pages()) {
      const response = await web.get(path);
      const text = await response.text();
      expect(response.status, `${path}: ${text.slice(0, 500)}`).toBe(200);
      expect(text, path).toContain('&lt;script&gt;');
      expect(text, path).not.toMatch(/<script>|<img|onmouseover='/);
      expect(text, path).not.toContain('sesame');
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
  });

  test('neither style nor script stands inline, so that the policy forbids both', async () => {
    for (const path of pages()) {
      const text = await (await web.get(path)).text();
      expect(text, path).not.toMatch(/<style|<[^>]* style="|<script(?![^>]* src=)|<[^>]* on[a-z]+="/);
    }
  });

  test('what is not there is a page of its own, for people and for programs', async () => {
    const page = await web.browse('/runs/999999', { headers: { authorization: `Bearer ${TOKEN}` } });
    expect(page.status).toBe(404);
    expect(await page.text()).toContain('There is no run 999999');
    const document = await web.get('/api/v1/runs/999999');
    expect([document.status, await document.json()]).toEqual([
      404,
      { error: { code: 'RUN_NOT_FOUND', message: 'There is no run 999999', hint: expect.any(String) } },
    ]);
    expect((await web.get('/runs/one')).status).toBe(400);
    expect((await web.get('/nowhere')).status).toBe(404);
  });

  test('lists go on page by page, and each item is on one of them', async () => {
    const seen: string[] = [];
    for (let path: string | undefined = `/runs/${run}/partitions`; path; ) {
      const text: string = await (await web.get(path)).text();
      seen.push(...[...text.matchAll(/\/partitions\/(\d+)" class="path"/g)].map(([, id]) => id!));
      path = /href="([^"]+)" rel="next"/.exec(text)?.[1]?.replaceAll('&amp;', '&');
    }
    expect(seen.length).toBe(253);
    expect(new Set(seen).size).toBe(253);
  });
});

describe('the API', () => {
  test('is what its OpenAPI file says', async () => {
    const routes: string[] = [];
    const app = fastify();
    app.addHook('onRoute', ({ method, url }) => {
      if (method !== 'HEAD') routes.push(`${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
    });
    await app.register(async (api) => addApi(api, {} as Web), { prefix: '/api/v1' });
    const text = `${JSON.stringify(openapi(ENDPOINTS), undefined, 2)}\n`;
    await expect(text).toMatchFileSnapshot(join(REPOSITORY, 'docs/openapi.json'));
    const file = JSON.parse(await readFile(join(REPOSITORY, 'docs/openapi.json'), 'utf8'));
    const described = Object.entries(file.paths as Record<string, object>).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(routes.filter((route) => route !== 'GET /api/v1/openapi.json').sort());
    expect(await (await web.get('/api/v1/openapi.json')).json()).toEqual(file);
  });

  test('answers with exactly what it describes', async () => {
    // Fastify's own validator, asked whether our answers would do as requests.
    const checker = fastify({
      ajv: { customOptions: { coerceTypes: false, removeAdditional: false, strictTypes: false } },
    });
    const ask: { url: string; path: string }[] = [];
    for (const { method, path, answer, name } of ENDPOINTS) {
      if (method !== 'GET') continue;
      checker.post(`/${name}`, { schema: { body: answer } }, async () => 'ok');
      ask.push({ url: `/${name}`, path: path.replace('{run}', String(run)).replace('{partition}', String(partition)) });
    }
    for (const { url, path } of ask) {
      const response = await web.get(`/api/v1${path}`);
      const body = await response.text();
      expect(response.status, `${path}: ${body}`).toBe(200);
      expect(body, path).not.toContain('sesame');
      const checked = await checker.inject({
        method: 'POST',
        url,
        headers: { 'content-type': 'application/json' },
        body,
      });
      expect(checked.body, path).toBe('ok');
    }
  });

  test('pages by cursor', async () => {
    const ids: number[] = [];
    let cursor = '';
    do {
      const page = await json(`/api/v1/runs/${run}/partitions?limit=100${cursor && `&cursor=${cursor}`}`);
      ids.push(...page.items.map(({ id }: { id: number }) => id));
      cursor = page.next ?? '';
    } while (cursor);
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect(new Set(ids).size).toBe(253);
    expect((await web.get('/api/v1/runs?limit=0')).status).toBe(400);
    expect((await web.get('/api/v1/runs?state=odd')).status).toBe(400);
    expect((await web.get('/api/v1/runs?unknown=1')).status).toBe(400);
  });

  test('finds runs by what they are about', async () => {
    const other = await seedRun(database.pool, { job: 'other-job', state: 'failed', error: '100%_sure' });
    const found = async (query: string) => {
      const { items } = await json(`/api/v1/runs?${query}`);
      return items.map((one: { run: number }) => one.run);
    };
    expect(await found('q=other')).toEqual([other]);
    expect(await found('q=%25_sure')).toEqual([other]);
    expect(await found('q=0_0')).toEqual([]);
    expect(await found(`q=${other}`)).toContain(other);
    expect(await found('state=failed')).toEqual([other]);
    expect(await found('job=other-job')).toEqual([other]);
  });

  test('aggregates the map of partitions', async () => {
    const { cells } = await json(`/api/v1/runs/${run}/grid`);
    expect(cells.length).toBe(253);
    expect(cells[0]).toEqual({ from: partition, to: partition, partitions: 1, states: { failed: 1 } });
  });
});

test('health, readiness and metrics', async () => {
  expect(await (await web.browse('/healthz')).json()).toEqual({ ok: true });
  expect(await (await web.browse('/readyz')).json()).toEqual({ ok: true });
  expect((await web.browse('/metrics', { headers: { accept: '*/*' } })).status).toBe(401);
  const metrics = await web.get('/metrics');
  expect(metrics.headers.get('content-type')).toContain('version=0.0.4');
  expect(await metrics.text()).toContain('drayage_partitions{');
});
