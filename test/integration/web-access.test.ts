import { request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { WebConfig } from '../../src/base/config.ts';
import { readConfig } from '../../src/base/config.ts';
import { Sessions } from '../../src/web/session.ts';
import { readSettings } from '../../src/web/settings.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { type RunningWeb, seedRun, signIn, startWeb, TOKEN } from '../helpers/web.ts';

let database: TestDatabase;
let web: RunningWeb | undefined;

beforeAll(async () => {
  database = await createDatabase();
});
afterEach(async () => {
  await web?.close();
  web = undefined;
});
afterAll(() => database.drop());

const start = async (given: Partial<WebConfig> = {}): Promise<RunningWeb> => {
  web = await startWeb(database.url, given);
  return web;
};

describe('settings', () => {
  const settings = (given: Partial<WebConfig>) => readSettings({ ...readConfig({}, '/').web, ...given });

  test.each<[Partial<WebConfig>, RegExp]>([
    [{ host: '0.0.0.0' }, /open to everybody/],
    [{ host: '192.0.2.1' }, /open to everybody/],
    [{ host: '::' }, /open to everybody/],
    [{ token: 'short' }, /5 characters/],
    [{ userHeader: 'x-user' }, /no proxy is believed/],
    [{ proxies: ['proxy.example'] }, /no address/],
    [{ proxies: ['10.0.0.0/33'] }, /no address/],
  ])('%j is refused', (given, message) => {
    expect(() => settings(given)).toThrow(message);
  });

  test('reading is open on the loopback alone, and only without a token of one’s own', () => {
    expect(settings({}).openForReading).toBe(true);
    expect(settings({ token: TOKEN }).openForReading).toBe(false);
    expect(settings({ host: '0.0.0.0', token: TOKEN }).openForReading).toBe(false);
    expect(settings({ userHeader: 'x-user', proxies: ['127.0.0.1'] }).openForReading).toBe(false);
    expect(settings({}).secret).not.toBe(settings({}).secret);
  });

  test('a variable that is wrong is named', () => {
    expect(() => readConfig({ DRAYAGE_WEB_READ_ONLY: 'perhaps' }, '/')).toThrow(/DRAYAGE_WEB_READ_ONLY is "perhaps"/);
    expect(() => readConfig({ DRAYAGE_WEB_PORT: '70000' }, '/')).toThrow(/DRAYAGE_WEB_PORT is "70000"/);
    expect(readConfig({ PORT: '5000' }, '/').web.port).toBe(5000);
    expect(readConfig({ PORT: '5000', DRAYAGE_WEB_PORT: '6000' }, '/').web.port).toBe(6000);
  });
});

describe('sessions', () => {
  test('end in time, hold after a restart, and end with the token', () => {
    const sessions = new Sessions(TOKEN);
    const cookie = sessions.open();
    expect(new Sessions(TOKEN).isOpen(cookie)).toBe(true);
    expect(new Sessions(`${TOKEN}!`).isOpen(cookie)).toBe(false);
    expect(sessions.isOpen(cookie, Date.now() + 8 * 86_400_000)).toBe(false);
    const [id, expires, signature] = cookie.split('.');
    for (const forged of [
      '',
      '..',
      `${id}.${Number(expires) + 1}.${signature}`,
      `${id}.${expires}.`,
      `${id}.${expires}`,
    ]) {
      expect(sessions.isOpen(forged), forged).toBe(false);
    }
  });

  test('a form token is good for its own session', () => {
    const sessions = new Sessions(TOKEN);
    const [mine, theirs] = [sessions.open(), sessions.open()];
    expect(sessions.isFormToken(mine, sessions.formToken(mine))).toBe(true);
    expect(sessions.isFormToken(mine, sessions.formToken(theirs))).toBe(false);
    expect(sessions.isFormToken(mine, 'undefined')).toBe(false);
  });
});

const PATHS = [
  '/',
  '/workers',
  '/jobs',
  '/live',
  '/metrics',
  '/api/v1/runs',
  '/api/v1/openapi.json',
  '/runs/1/rejects',
];

describe('with a token', () => {
  test('nothing is told without it', async () => {
    const { browse } = await start({ token: TOKEN });
    for (const path of PATHS) {
      const page = await browse(path);
      const isApi = path.startsWith('/api');
      expect([path, page.status]).toEqual([path, isApi ? 401 : 303]);
      if (!isApi) expect(page.headers.get('location')).toBe(`/login?back=${encodeURIComponent(path)}`);
      const document = await browse(path, { headers: { accept: '*/*' } });
      expect([path, document.status]).toEqual([path, 401]);
      const wrong = await browse(path, {
        headers: { accept: '*/*', authorization: 'Bearer wrong', cookie: 'drayage_session=a.9999999999.b' },
      });
      expect([path, wrong.status]).toEqual([path, 401]);
    }
    for (const path of ['/healthz', '/login', '/assets/app.css']) expect((await browse(path)).status).toBe(200);
  });

  test('signing in gives a cookie that no script and no other site can use, and leads back', async () => {
    const { browse } = await start({ token: TOKEN });
    const body = new URLSearchParams({ token: TOKEN, back: '/workers' });
    const answer = await browse('/login', { method: 'POST', body });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/workers']);
    const cookie = answer.headers.get('set-cookie')!;
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Strict/);
    expect(cookie).not.toMatch(/Secure/);
    const page = await browse('/workers', { headers: { cookie: cookie.split(';')[0]! } });
    expect([page.status, (await page.text()).includes('Sign out')]).toEqual([200, true]);
    const secure = await browse('/login', { method: 'POST', body, headers: { 'x-forwarded-proto': 'https' } });
    expect(secure.headers.get('set-cookie')).toMatch(/Secure/);
  });

  test.each([
    '//evil.example',
    'https://evil.example',
    '/\\evil.example',
    'javascript:alert(1)',
    '',
  ])('signing in does not lead to %j', async (back) => {
    const { browse } = await start({ token: TOKEN });
    const answer = await browse('/login', { method: 'POST', body: new URLSearchParams({ token: TOKEN, back }) });
    expect(answer.headers.get('location')).toBe('/');
  });

  test('guessing is slowed down', async () => {
    const { browse } = await start({ token: TOKEN });
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 12; attempt++) {
      const body = new URLSearchParams({ token: `guess ${attempt}` });
      statuses.push((await browse('/login', { method: 'POST', body })).status);
    }
    expect(statuses).toEqual([...Array(10).fill(401), 429, 429]);
  });

  test('the session goes on when the server starts again', async () => {
    const cookie = await signIn(await start({ token: TOKEN }));
    await web!.close();
    const { browse } = await start({ token: TOKEN });
    expect((await browse('/', { headers: { cookie } })).status).toBe(200);
  });
});

describe('without a token', () => {
  test('whoever is on the machine may read', async () => {
    const { browse } = await start();
    for (const path of ['/', '/workers', '/api/v1/runs', '/metrics']) expect((await browse(path)).status).toBe(200);
  });

  test('a site elsewhere whose name leads here may not', async () => {
    const { url } = await start();
    const status = (host: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        request(url, { headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on('error', reject)
          .end();
      });
    expect(await status('evil.example')).toBe(403);
    expect(await status('localhost.evil.example:8080')).toBe(403);
    expect(await status('localhost:8080')).toBe(200);
    expect(await status('127.0.0.1')).toBe(200);
  });
});

describe('behind a proxy that signs people in', () => {
  const userHeader = 'x-forwarded-user';

  test('whom it names may read', async () => {
    const { browse } = await start({ userHeader, proxies: ['127.0.0.1'] });
    const page = await browse('/', { headers: { [userHeader]: 'mary' } });
    expect([page.status, (await page.text()).includes('mary')]).toEqual([200, true]);
    expect((await browse('/', { headers: { accept: '*/*' } })).status).toBe(401);
    expect((await browse('/', { headers: { accept: '*/*', [userHeader]: '' } })).status).toBe(401);
  });

  test('the header of anybody else says nothing', async () => {
    const { browse } = await start({ userHeader, proxies: ['192.0.2.0/24'] });
    expect((await browse('/', { headers: { accept: '*/*', [userHeader]: 'mary' } })).status).toBe(401);
  });
});

describe('what changes something', () => {
  const form = (fields: Record<string, string>) => new URLSearchParams(fields);
  const state = async (run: number) =>
    (await database.pool.query('select state from drayage.runs where id = $1', [run])).rows[0].state;
  const formToken = async ({ browse }: RunningWeb, run: number, headers: Record<string, string>) => {
    const page = await (await browse(`/runs/${run}`, { headers })).text();
    return /name="form_token" value="([^"]+)"/.exec(page)?.[1];
  };

  test('is refused without a session, without its form token, and from elsewhere', async () => {
    const own = await start({ token: TOKEN, allowEnqueue: true });
    const run = await seedRun(database.pool);
    const cookie = await signIn(own);
    const token = (await formToken(own, run, { cookie }))!;
    const others = (await formToken(own, run, { cookie: await signIn(own) }))!;
    const post = async (path: string, init: RequestInit) =>
      (await own.browse(path, { method: 'POST', ...init })).status;
    const json = { 'content-type': 'application/json', accept: '*/*' };
    const refusals: [number, RequestInit][] = [
      [401, { body: form({ form_token: token }), headers: { accept: '*/*' } }],
      [401, { body: form({ form_token: token }), headers: { accept: '*/*', authorization: 'Bearer nonsense' } }],
      [403, { body: form({}), headers: { cookie } }],
      [403, { body: form({ form_token: 'undefined' }), headers: { cookie } }],
      [403, { body: form({ form_token: others }), headers: { cookie } }],
      [403, { body: form({ form_token: token }), headers: { cookie, 'sec-fetch-site': 'cross-site' } }],
      [403, { body: form({ form_token: token }), headers: { cookie, 'sec-fetch-site': 'same-site' } }],
      [403, { body: '{}', headers: { ...json, cookie } }],
      [403, { headers: { cookie, accept: '*/*', 'x-form-token': others } }],
    ];
    for (const path of ['pause', 'resume', 'cancel', 'retry', 'verify'].map((name) => `/runs/${run}/${name}`)) {
      for (const [status, init] of refusals.filter(([, { body }]) => body instanceof URLSearchParams)) {
        expect([path, init, await post(path, init)]).toEqual([path, init, status]);
      }
      for (const [status, init] of refusals.filter(([, { body }]) => !(body instanceof URLSearchParams))) {
        expect([path, init, await post(`/api/v1${path}`, init)]).toEqual([path, init, status]);
      }
    }
    for (const path of ['/jobs/log/runs', '/api/v1/jobs/log/runs']) {
      expect([path, await post(path, { headers: { cookie, ...json }, body: '{}' })]).toEqual([path, 403]);
      expect([path, await post(path, { headers: json, body: '{}' })]).toEqual([path, 401]);
    }
    expect(await state(run)).toBe('running');
    expect(await post(`/runs/${run}/pause`, { body: form({ form_token: token }), headers: { cookie } })).toBe(303);
    expect(await state(run)).toBe('paused');
  });

  test('is not done to everything when it was meant for something that is not there', async () => {
    const own = await start({ token: TOKEN });
    const run = await seedRun(database.pool);
    await database.pool.query(
      `update drayage.partitions set state = 'failed' where id = (select max(id) from drayage.partitions where run_id = $1)`,
      [run],
    );
    const headers = { authorization: `Bearer ${TOKEN}`, accept: '*/*' };
    for (const partition of ['999999', 'nowhere', '1e3']) {
      const body = form({ partition });
      const { status } = await own.browse(`/runs/${run}/retry`, { method: 'POST', headers, body });
      expect([partition, status]).toEqual([partition, 404]);
    }
    const { rows } = await database.pool.query(`select from drayage.events where run_id = $1 and action = 'retried'`, [
      run,
    ]);
    expect(rows).toEqual([]);
    // Without a body at all.
    expect((await own.browse(`/runs/${run}/pause`, { method: 'POST', headers, redirect: 'manual' })).status).toBe(303);
  });

  test('is done for programs with the token, and says what came of it', async () => {
    const own = await start({ token: TOKEN });
    const run = await seedRun(database.pool);
    const headers = { authorization: `Bearer ${TOKEN}`, accept: '*/*' };
    const post = (name: string, init: RequestInit = {}) =>
      own.browse(`/api/v1/runs/${run}/${name}`, { method: 'POST', ...init, headers: { ...headers, ...init.headers } });
    const paused = await post('pause', { body: '{"drain": true}', headers: { 'content-type': 'application/json' } });
    expect([paused.status, await paused.json()]).toEqual([200, { run, job: 'seeded', state: 'paused', partitions: 0 }]);
    const refused = await post('pause');
    expect([refused.status, await refused.json()]).toMatchObject([409, { error: { code: 'STATE_REFUSED' } }]);
    expect((await post('verify')).status).toBe(409);
    const odd = await post('pause', { body: '{"odd": 1}', headers: { 'content-type': 'application/json' } });
    expect(odd.status).toBe(400);
    expect((await own.browse('/api/v1/runs/999999/resume', { method: 'POST', headers })).status).toBe(404);
    const [event] = (await database.pool.query('select actor, action from drayage.events where run_id = $1', [run]))
      .rows;
    expect(event).toEqual({ actor: 'api', action: 'paused' });
  });

  test('is not there for those who only read, and for nobody with --read-only', async () => {
    const run = await seedRun(database.pool);
    const own = await start();
    expect(await (await own.browse(`/runs/${run}`)).text()).not.toContain('<form method="post" action="/runs');
    expect((await own.browse(`/runs/${run}/pause`, { method: 'POST', headers: { accept: '*/*' } })).status).toBe(401);
    await own.close();
    const still = await start({ token: TOKEN, readOnly: true });
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect((await still.browse(`/api/v1/runs/${run}/pause`, { method: 'POST', headers })).status).toBe(403);
    const cookie = await signIn(still);
    expect(await formToken(still, run, { cookie })).toBeUndefined();
    expect((await still.browse(`/runs/${run}/pause`, { method: 'POST', headers: { cookie } })).status).toBe(403);
    expect(await state(run)).toBe('running');
  });

  test('carries the name of the one whom a proxy has signed in', async () => {
    const own = await start({ userHeader: 'x-forwarded-user', proxies: ['127.0.0.1'] });
    const run = await seedRun(database.pool);
    const headers = { 'x-forwarded-user': 'mary' };
    const token = (await formToken(own, run, headers))!;
    const pause = (body: URLSearchParams, user: string) =>
      own.browse(`/runs/${run}/pause`, { method: 'POST', body, headers: { 'x-forwarded-user': user } });
    expect((await pause(form({ form_token: token }), 'john')).status).toBe(403);
    expect((await pause(form({ form_token: token }), 'mary')).status).toBe(303);
    const [event] = (await database.pool.query('select actor from drayage.events where run_id = $1', [run])).rows;
    expect(event).toEqual({ actor: 'mary' });
  });

  test('enqueueing is off unless it is allowed, and takes jobs of the project alone', async () => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const post = ({ browse }: RunningWeb, job: string) =>
      browse(`/api/v1/jobs/${encodeURIComponent(job)}/runs`, { method: 'POST', headers, body: '{}' });
    const off = await start({ token: TOKEN });
    expect((await post(off, 'legal-samples')).status).toBe(403);
    await off.close();
    const on = await start({ token: TOKEN, allowEnqueue: true });
    for (const job of ['../jobs/legal-samples.ts', 'jobs/legal-samples.ts', '/etc/passwd', 'nothing']) {
      expect([job, (await post(on, job)).status]).toEqual([job, 404]);
    }
  });
});

test('an address has so many requests in a minute, and health is none of them', async () => {
  const { browse, services } = await start();
  await seedRun(services.pool);
  let last = 200;
  for (let number = 0; number < 1_000 && last === 200; number += 20) {
    const some = await Promise.all(Array.from({ length: 20 }, () => browse('/assets/mark.svg')));
    last = some.at(-1)!.status;
  }
  expect(last).toBe(429);
  expect((await browse('/healthz')).status).toBe(200);
});
