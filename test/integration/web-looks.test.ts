import { AxeBuilder } from '@axe-core/playwright';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { browserPresent, openBrowser, openPage } from '../helpers/browser.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import {
  HOSTILE,
  type RunningWeb,
  seedEverything,
  seedPartitions,
  seedRun,
  signIn,
  startWeb,
  TOKEN,
} from '../helpers/web.ts';

const MANY = 1_000_000;

describe.skipIf(!browserPresent())('pages in a browser', () => {
  let browser: Browser;
  let database: TestDatabase;
  let web: RunningWeb;
  let run: number;
  let partition: number;

  beforeAll(async () => {
    [browser, database] = await Promise.all([openBrowser(), createDatabase()]);
    web = await startWeb(database.url, { token: TOKEN, allowEnqueue: true });
    ({ run, partition } = await seedEverything(database.pool));
  });
  afterAll(async () => {
    await browser.close();
    await web.close();
    await database.drop();
  });

  const at = (path: string) => web.url.slice(0, -1) + path;
  const open = async (options: Parameters<typeof openPage>[1] = {}) => {
    const [name, value] = (await signIn(web)).split('=') as [string, string];
    const watched = await openPage(browser, options);
    await watched.page.context().addCookies([{ name, value, url: web.url }]);
    return watched;
  };
  const pages = () => [
    '/',
    `/runs/${run}`,
    `/runs/${run}/partitions`,
    `/runs/${run}/partitions/${partition}`,
    `/runs/${run}/rejects`,
    '/workers',
    '/jobs',
    '/jobs/legal-samples',
    `/jobs/${encodeURIComponent(HOSTILE)}`,
    '/runs/999999',
    '/login',
  ];

  test.each(['light', 'dark'] as const)('axe finds nothing, %s', async (colorScheme) => {
    const { page } = await open({ colorScheme });
    for (const path of pages()) {
      await page.goto(at(path));
      if (path !== '/login' && path !== '/runs/999999') await page.locator('main h1').waitFor();
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map(({ id, nodes }) => [path, id, nodes.map(({ html }) => html)])).toEqual([]);
    }
  });

  test('what data holds is shown, and never runs', async () => {
    const { page, complaints } = await open();
    for (const path of pages()) {
      const answer = await page.goto(at(path));
      await page.waitForFunction('[...document.images].every(({ complete }) => complete)');
      expect([path, await page.evaluate('window.hurt')]).toEqual([path, undefined]);
      if (answer!.status() === 200 && !['/login', '/jobs/legal-samples'].includes(path)) {
        expect([path, await page.locator('body').innerText()]).toEqual([path, expect.stringContaining('<script>')]);
      }
    }
    expect(complaints.filter((text) => !text.includes('404'))).toEqual([]);
  });

  test('a narrow screen shows everything without scrolling sideways', async () => {
    const { page } = await open({ viewport: { width: 360, height: 740 } });
    for (const path of pages()) {
      await page.goto(at(path));
      const overflow = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect([path, overflow]).toEqual([path, 0]);
    }
  });

  test('without JavaScript everything can be read, and done', async () => {
    const { page } = await open({ javaScriptEnabled: false });
    await page.goto(at(`/runs/${run}`));
    await page.getByRole('heading', { name: 'Failed partitions' }).waitFor();
    await page.getByText('Figures').click();
    await page.getByRole('table', { name: 'How the run went over time' }).waitFor();
    const other = await seedRun(database.pool);
    await page.goto(at(`/runs/${other}`));
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await page.getByRole('button', { name: `Pause run ${other}` }).click();
    await page.locator('.title .state.paused').waitFor();
  });

  test('the keyboard reaches what there is to do', async () => {
    const { page } = await open();
    await page.goto(at('/'));
    await page.keyboard.press('/');
    await page.keyboard.type('seeded nothing');
    await page.keyboard.press('Enter');
    await page.getByText('No run is like that.').waitFor();
    const other = await seedRun(database.pool);
    await page.goto(at(`/runs/${other}`));
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Pause');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.textContent')).toBe(`Pause run ${other}`);
    await page.keyboard.press('Escape');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Pause');
    expect(await page.locator('.state.running').count()).toBe(1);
  });

  test(`a run of ${MANY} partitions has a map, and lists of every state`, async () => {
    const { pool } = database;
    const many = await seedRun(pool, { job: 'many' });
    await pool.query('alter table drayage.partitions disable trigger user');
    await pool.query(
      `insert into drayage.partitions (run_id, key, fingerprint, spec, file, state, attempt, rows_read, started_at, finished_at)
       select $1, 'part-' || i, '', '{}', 'f', case when i = 777777 then 'failed' when i <= 800000 then 'done' else 'pending' end, 1, 10,
         case when i <= 800000 then now() - interval '1 s' end, case when i <= 800000 then now() end
       from generate_series(1, $2::int) i`,
      [many, MANY],
    );
    await pool.query(
      `update drayage.runs set partitions_total = $2, partitions_done = 799999, partitions_failed = 1, partitions_pending = 200000 where id = $1`,
      [many, MANY],
    );
    await pool.query('alter table drayage.partitions enable trigger user');
    const { page, complaints } = await open();
    await page.goto(at(`/runs/${many}`));
    await page.getByText('A cell is up to 500 partitions').waitFor();
    expect(await page.locator('.grid').getAttribute('data-cells')).toBe('2000');
    expect(await page.locator('.grid path:not(.lines)').count()).toBe(3);
    await page.getByRole('link', { name: 'part-777777' }).waitFor();
    await page.locator('.grid').hover({ position: { x: 3, y: 3 } });
    await page.locator('.tip', { hasText: '500 done' }).waitFor();
    await page.locator('.grid').click({ position: { x: 3, y: 3 } });
    await page.waitForURL(/partitions\?from=\d+&to=\d+$/);
    expect(await page.locator('tbody tr').count()).toBe(100);
    await page.goto(at(`/runs/${many}/partitions?state=pending`));
    await page.getByRole('link', { name: 'Next page' }).click();
    await page.getByRole('link', { name: 'part-800101' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('many partitions that run show what they have read so far', async () => {
    const other = await seedRun(database.pool, { job: 'busy' });
    const ids = await seedPartitions(database.pool, other, { count: 30, state: 'running' });
    const { page } = await open();
    await page.goto(at(`/runs/${other}`));
    await page.getByText('live', { exact: true }).waitFor();
    await database.pool.query(
      'insert into drayage.progress (partition_id, attempt, rows_read) select unnest($1::bigint[]), 1, 41',
      [ids],
    );
    await page.locator('#head').getByText('1,230', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'All 30' }).waitFor();
  });
});
