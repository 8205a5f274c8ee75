import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { browserPresent, openBrowser, openPage } from '../helpers/browser.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { TestProject } from '../helpers/project.ts';
import { type RunningWeb, seedPartitions, seedRun, startWeb, TOKEN } from '../helpers/web.ts';

/** Files of a run, each a partition. */
const FILES = 12;
const ROWS = 1_000;

describe.skipIf(!browserPresent())('in a browser', () => {
  let browser: Browser;
  let database: TestDatabase;
  let project: TestProject;
  let web: RunningWeb;
  let worker: ChildProcess | undefined;

  beforeAll(async () => {
    [browser, database] = await Promise.all([openBrowser(), createDatabase()]);
    project = await TestProject.create(database.url);
    for (let file = 0; file < FILES; file++) {
      const rows = Array.from({ length: ROWS }, (_, row) =>
        JSON.stringify({ id: file * ROWS + row, name: `row ${row}` }),
      );
      await project.write(`log/${String(file).padStart(2, '0')}.jsonl`, `${rows.join('\n')}\n`);
    }
    await project.write('sql/targets/log.sql', 'create table log (id bigint primary key, name text)');
    await project.write(
      'jobs/log.ts',
      `import { defineJob, files, table } from 'drayage';
       export default defineJob({
         name: 'log', description: 'A log', params: { path: { type: 'string', default: 'log', help: 'where it lies' } },
         source: ({ path }) => files(path), targets: { log: table({ ddl: 'log.sql', key: ['id'], mode: 'upsert' }) },
       });`,
    );
    web = await startWeb(database.url, { token: TOKEN, allowEnqueue: true }, project.root);
  });
  afterEach(stopWorker);
  afterAll(async () => {
    await browser.close();
    await web.close();
    await project.remove();
    await database.drop();
  });

  function startWorker(): void {
    worker = project.spawn(['work']);
    worker.stdout?.resume();
    worker.stderr?.resume();
  }

  async function stopWorker(): Promise<void> {
    if (worker?.exitCode === null) {
      worker.kill('SIGTERM');
      await once(worker, 'exit');
    }
    worker = undefined;
  }

  const at = (path: string) => web.url.slice(0, -1) + path;

  async function signIn(page: Page, back = '/'): Promise<void> {
    await page.goto(at(back));
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(at(back));
  }

  /** Presses the button of an action, and the one behind its question. */
  async function act(page: Page, label: string): Promise<void> {
    await page.getByRole('button', { name: label, exact: true }).click();
    await page.getByRole('dialog', { name: label }).getByRole('button', { name: label }).click();
  }

  const untilState = (page: Page, state: string) => page.locator(`h1 + .state.${state}`).waitFor();

  const enqueue = async (...options: string[]): Promise<number> => {
    const { stdout, stderr } = await project.dray(['enqueue', 'log', '--force', '--json', ...options]);
    expect(stderr).toBe('');
    return JSON.parse(stdout).run;
  };

  test('a run is watched from 0 to 100 %, without a single reload', async () => {
    const run = await enqueue();
    await project.dray(['set', String(run), 'maxRowsPerSecond=6000']);
    const { page, complaints } = await openPage(browser);
    await signIn(page, `/runs/${run}`);
    await page.getByText('No worker is there.').waitFor();
    expect(await page.locator('.key dd').first().textContent()).toBe('0 %');
    await page.evaluate(`window.seen = new Set();
      setInterval(() => window.seen.add(Number.parseInt(document.querySelector('.key dd').textContent, 10)), 20)`);
    startWorker();
    await untilState(page, 'succeeded');
    await page.getByText('100 %').first().waitFor();
    const seen = [...((await page.evaluate('[...window.seen]')) as number[])];
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect([seen[0], seen.at(-1)]).toEqual([0, 100]);
    expect(seen.length).toBeGreaterThan(2);
    expect(await page.getByText('12,000').count()).toBeGreaterThan(0);
    expect(await page.locator('.chart canvas').count()).toBe(2);
    expect(await page.locator('.grid path.done').count()).toBe(1);
    expect(complaints).toEqual([]);
  });

  test('a run is paused, resumed, cancelled, and nothing happens by accident', async () => {
    const run = await enqueue();
    const { page, complaints } = await openPage(browser);
    await signIn(page, `/runs/${run}`);
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByRole('button', { name: 'Not now' }).click();
    await act(page, 'Pause');
    await untilState(page, 'paused');
    await page.getByText('Paused: paused by web.').waitFor();
    await act(page, 'Resume');
    await untilState(page, 'running');
    await act(page, 'Cancel');
    await untilState(page, 'cancelled');
    expect(await page.getByRole('button', { name: 'Resume' }).count()).toBe(0);
    const { rows } = await database.pool.query(
      'select actor, action from drayage.events where run_id = $1 order by id',
      [run],
    );
    expect(rows.slice(1)).toEqual([
      { actor: 'web', action: 'paused' },
      { actor: 'web', action: 'resumed' },
      { actor: 'web', action: 'cancelled' },
    ]);
    expect(complaints).toEqual([]);
  });

  test('a failed partition is tried again, the run verified, and another one enqueued, all from the page', async () => {
    await project.write('some/good.jsonl', '{"id": 1, "name": "one"}\n');
    const bad = await project.write('some/bad.jsonl', '{"id": 2, "name": "two"}\n');
    const { page, complaints } = await openPage(browser);
    await signIn(page, '/jobs/log');
    await page.getByLabel('path').fill('some');
    await page.getByRole('button', { name: 'Enqueue' }).click();
    await page.waitForURL(/\/runs\/\d+$/);
    await rename(bad, `${bad}.away`);
    startWorker();
    await untilState(page, 'failed');
    await page
      .locator('#failed')
      .getByRole('link', { name: /bad\.jsonl/ })
      .click();
    await page.getByRole('heading', { name: 'Attempts' }).waitFor();
    expect(await page.locator('#attempts').getByText('SOURCE_').count()).toBeGreaterThan(0);
    await page.goBack();
    await rename(`${bad}.away`, bad);
    await act(page, 'Retry failed');
    await untilState(page, 'succeeded');
    await act(page, 'Verify');
    await page.getByText('Every row is as it was read, bit for bit.').waitFor();
    expect(complaints).toEqual([]);
  });

  test('the page comes back by itself when the server does', async () => {
    const own = await startWeb(database.url, {}, project.root);
    const port = Number(new URL(own.url).port);
    const run = await seedRun(database.pool, { job: 'restarted' });
    await seedPartitions(database.pool, run, { count: 2, state: 'pending' });
    const { page } = await openPage(browser);
    await page.goto(`${own.url}runs/${run}`);
    await page.getByText('live', { exact: true }).waitFor();
    await own.close();
    await page.getByText('reconnecting').waitFor();
    await database.pool.query(`update drayage.partitions set state = 'done', finished_at = now() where run_id = $1`, [
      run,
    ]);
    const again = await startWeb(database.url, { port }, project.root);
    try {
      await page.getByText('live', { exact: true }).waitFor();
      await page.getByText('100 %').first().waitFor();
    } finally {
      await again.close();
    }
  });
});
