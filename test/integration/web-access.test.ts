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
