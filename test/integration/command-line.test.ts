import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { TestProject } from '../helpers/project.ts';

const DRAY = join(import.meta.dirname, '../../src/cli/bin.js');

let database: TestDatabase;
let project: TestProject;
beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  await project.dray(['db', 'up']);
});
afterAll(async () => {
  await project.remove();
  await database.drop();
});

/** The best of many, until it is good enough or half a minute has passed: other tests have the machine in between. */
function startUpMs(args: readonly string[], enoughMs: number): number {
  let best = Number.POSITIVE_INFINITY;
  const untilMs = performance.now() + 30_000;
  while (best > enoughMs && performance.now() < untilMs) {
    const startedMs = performance.now();
    const { status } = spawnSync(process.execPath, [DRAY, ...args], { cwd: project.root, env: project.env });
    best = Math.min(best, performance.now() - startedMs);
    expect(status).toBe(0);
  }
  return best;
}

test('the help is there at once, and so is the status', () => {
  expect(startUpMs(['--help'], 150)).toBeLessThan(150);
  expect(startUpMs(['status'], 500)).toBeLessThan(500);
});

test('a table of runs stays aligned whatever the names hold, and nothing in them reaches the terminal as a command', async () => {
  const hostile = 'evil\u001b]0;owned\u0007\u001b[2J\r\n名前';
  await database.pool.query(
    `insert into drayage.runs (job, job_path, job_version, params, state, error, retries)
     values ($1, 'x', '1', '{}', 'failed', $1, 0), ('plain', 'x', '1', '{}', 'succeeded', null, 0)`,
    [hostile],
  );
  const { stdout } = await project.dray(['status'], { FORCE_COLOR: '1' });
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  const [head, ...lines] = stdout.split('\n');
  const { stdout: one } = await project.dray(['status', '1']);
  expect(one).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  expect(lines[0]!.indexOf('succeeded')).toBe(head!.indexOf('state'));
  expect(lines[1]!.indexOf('failed')).toBe(head!.indexOf('state') - '名前'.length);
  await database.pool.query('delete from drayage.runs');
});

test('what is written for nobody to read is no failure', async () => {
  const child = project.spawn(['status']);
  child.stdout.destroy();
  const said = child.stderr.setEncoding('utf8').toArray();
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(await said).toEqual([]);
});

test('status --watch shows a run until it has ended, and its exit code says how', async () => {
  const insert = (state: string) =>
    database.pool.query(
      `insert into drayage.runs (job, job_path, job_version, params, state, retries, started_at, finished_at)
       values ('slow', 'x', '1', '{}', $1, 0, now(), now()) returning id`,
      [state],
    );
  const { id } = (await insert('running')).rows[0];
  const watching = project.dray(['status', String(id), '--watch', '--json']);
  const looked = async () =>
    (
      await database.pool.query(
        `select 1 from pg_stat_activity where datname = current_database() and query like '%run_progress%' and application_name = 'dray'`,
      )
    ).rows.length > 0;
  while (!(await looked())) await new Promise((resolve) => setImmediate(resolve));
  await database.pool.query(`update drayage.runs set state = 'failed', error = 'it broke' where id = $1`, [id]);
  const { code, stdout } = await watching;
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ run: id, state: 'failed', errors: [{ message: 'it broke' }] });
  const { id: good } = (await insert('succeeded')).rows[0];
  expect(await project.dray(['status', String(good), '--watch'])).toMatchObject({ code: 0 });
  expect(await project.dray(['status', '--watch'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/slow/) });
});

test.each([
  [['stauts'], /Did you mean "status"\?/],
  [['status', '--wach'], /Did you mean "--watch"\?/],
  [['db', 'opne'], /Did you mean "open"\?/],
  [['completion', 'bsh'], /Did you mean "bash"\?/],
  [['run', 'ordres'], /Did you mean "orders"\?/],
  [['run', 'orders', '--param', 'paht=x'], /Did you mean "path"\?/],
  [['copy', 'orders.csv', '--to', 'x', '--key', 'idd'], /Did you mean "id"\?/],
])('%j says what was meant', async (args, message) => {
  await project.write('orders.csv', 'id,amount\n1,2\n');
  await project.write(
    'jobs/orders.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'orders', description: 'Orders', params: { path: { type: 'string', help: 'where they are' } },
       source: ({ path }) => files(path), targets: { orders: table({ createTable: 'infer' }) },
     });`,
  );
  expect(await project.dray(args)).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
});

describe('completion', () => {
  /** What the script of `dray completion bash` gives in a real bash for the words of a line. */
  async function completed(...words: string[]): Promise<string[]> {
    const { stdout: script } = await project.dray(['completion', 'bash']);
    const line = [
      `dray() { '${process.execPath}' '${DRAY}' "$@"; }`,
      script,
      `COMP_WORDS=(dray ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; compopt() { :; }; _dray`,
      `printf '%s\\n' "\${COMPREPLY[@]}"`,
    ].join('\n');
    const { stdout } = spawnSync('bash', ['-c', line], { cwd: project.root, env: project.env, encoding: 'utf8' });
    return stdout.split('\n').filter(Boolean);
  }

  test.each([
    [['sta'], ['status']],
    [['run', 'or'], ['orders']],
    [['run', 'orders', '--pa'], ['--param']],
    [['run', 'orders', '--param', ''], ['path=']],
    [
      ['db', ''],
      ['up', 'status', 'open'],
    ],
    [['copy', 'x', '--mode', 'up'], ['upsert']],
    [['copy', 'orders'], []],
    [['nonsense', 'x'], []],
  ])('%j: %j', async (words, expected) => {
    expect(await completed(...words)).toEqual(expected);
  });

  test('every verb that people use is offered, and has an example in its help', async () => {
    const { stdout } = await project.dray(['--help']);
    const listed = [...stdout.matchAll(/^ {2}([a-z]+)[ \n[<|]/gm)]
      .map(([, verb]) => verb!)
      .filter((verb) => verb !== 'help');
    expect(listed.length).toBeGreaterThan(10);
    expect((await completed('')).sort()).toEqual(listed.sort());
    for (const shell of ['zsh', 'fish']) {
      expect(await project.dray(['completion', shell])).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/dray complete --/),
      });
    }
  });
});
