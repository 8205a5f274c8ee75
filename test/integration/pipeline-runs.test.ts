import { execFile } from 'node:child_process';
import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { TestProject } from '../helpers/project.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const RUNS = 40;

let project: TestProject;
let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  await cp(join(REPOSITORY, 'jobs/pipeline-runs.ts'), join(project.root, 'jobs/pipeline-runs.ts'));
  await cp(join(REPOSITORY, 'sql/targets'), join(project.root, 'sql/targets'), { recursive: true });
  const sample = join(REPOSITORY, 'jobs/samples/pipeline-runs.ts');
  await promisify(execFile)(process.execPath, [sample, '--runs', String(RUNS)], { cwd: project.root });
});
afterAll(async () => {
  await project.remove();
  await database.drop();
});

async function run(...options: string[]) {
  const finished = await project.dray(['run', 'pipeline-runs', '--json', ...options]);
  if (!finished.stdout.startsWith('{')) throw new Error(finished.stderr);
  return JSON.parse(finished.stdout);
}
const query = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;

/** Everything in the five tables, and which transaction has written it last. */
async function content(): Promise<unknown> {
  const found: unknown[] = [];
  for (const table of ['"User"', '"Run"', '"InspirationReport"', '"StageOutput"', '"OpportunityCard"']) {
    found.push(await query(`select xmin::text, t::text from ${table} t order by 2`));
  }
  return found;
}

/** A run of the plain layout, with what is given instead of its own files. */
async function write(name: string, files: Record<string, string | undefined>) {
  const whole: Record<string, string | undefined> = {
    'stage1/inspirations.json':
      '[{"title":"A","content":"a","elements":[1]},{"title":"B","content":"b","elements":["x"]}]',
    'stage2/trends.json': '{"n": 12345678901234567890.10}',
    'stage3/lessons.json': '{}',
    'stage4/context.json': '{"brand_id": "the-brand_name"}',
    'stage5/opportunity-1.md': '# One\n',
    ...files,
  };
  for (const [path, text] of Object.entries(whole))
    if (text !== undefined) await project.write(`${name}/${path}`, text);
}

test('all runs arrive with what belongs to them, their gaps are warnings, and a second run changes nothing', async () => {
  const first = await run();
  expect(first).toMatchObject({ state: 'succeeded', partitions: { done: RUNS, failed: 0 }, rows: { rejected: 0 } });
  const [counts] = await query(
    `select (select count(*) from "User") as users, (select count(*) from "Run") as runs,
       (select count(*) from "InspirationReport") as reports, (select count(*) from "StageOutput") as stages,
       (select count(*) from "OpportunityCard") as cards, (select count(distinct "companyId") from "Run") as companies`,
  );
  const warned = (words: string) =>
    first.warnings.filter(({ message }: { message: string }) => message.includes(words)).length;
  expect(counts).toMatchObject({ users: 1, runs: RUNS, reports: RUNS - warned('no report'), companies: 4 });
  expect(counts.cards).toBe(5 * (RUNS - warned('no opportunities')));
  const [row] = await query(`select * from "Run" where "companyId" = 'acme-foods' order by id limit 1`);
  expect(row).toMatchObject({
    userId: 'migration-user',
    companyName: 'Acme Foods',
    documentName: expect.stringMatching(/^[a-z]+-[a-z]+$/),
    status: 'COMPLETED',
    currentStage: 5,
  });
  expect(row.createdAt.toISOString().replace(/[-:T]/g, '').slice(0, 14)).toBe(row.id.slice(-15).replace('-', ''));

  const before = await content();
  expect(await run()).toMatchObject({ state: 'succeeded', partitions: { skipped: RUNS, done: 0 }, rows: { read: 0 } });
  expect(await run('--force')).toMatchObject({ state: 'succeeded', rows: { written: 0 } });
  expect(await content()).toEqual(before);

  const verified = await project.dray(['verify', '--sample', '5', '--json']);
  expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, sample: { different: 0 } });
  expect(JSON.parse(verified.stdout).sample.checked).toBeGreaterThanOrEqual(5 * 7);
  await query(`update "OpportunityCard" set markdown = markdown || ' ' where number = 3 and "runId" = $1`, [row.id]);
  const broken = await project.dray(['verify']);
  expect(broken).toMatchObject({
    code: 1,
    stdout: expect.stringContaining(`runId ${row.id}, number 3 (data/runs/${row.id})`),
  });
});

test('what is in the files is in the tables, for either layout', async () => {
  const names = await readdir(join(project.root, 'data/runs'));
  for (const [stage, file] of [
    [2, 'stage2/trends.json'],
    [4, 'stage4/context.json'],
    [2, 'stage2/trends.md'],
    [5, 'stage5/opportunities-summary.md'],
  ] as const) {
    let compared = 0;
    for (const name of names) {
      const text = await readFile(join(project.root, 'data/runs', name, file), 'utf8').catch(() => undefined);
      if (text === undefined) continue;
      const same = file.endsWith('.md') ? '"markdownOutput" = $3' : '"jsonOutput" = $3::jsonb';
      const found = await query(`select ${same} as same from "StageOutput" where "runId" = $1 and "stageNumber" = $2`, [
        name,
        stage,
        text,
      ]);
      expect({ name, found }).toEqual({ name, found: [{ same: true }] });
      compared++;
    }
    expect(compared).toBeGreaterThan(12);
  }
  const [plain] = await query(
    `select * from "OpportunityCard" where tagline is not null and markdown is not null limit 1`,
  );
  expect(plain).toMatchObject({ title: expect.stringMatching(/^Card \d: /), starred: false });
  for (const field of ['tagline', 'problem', 'solution', 'why_now', 'target_segment']) {
    expect(plain[field]).toMatch(/^[^#]+$/);
  }
  expect(plain.quick_win).toContain('```md\n## Tagline');
  const [newer] = await query(
    `select *, front_matter::text as front from "OpportunityCard" where visual is not null limit 1`,
  );
  expect(newer).toMatchObject({ title: expect.stringMatching(/^Opportunity \d: /), tagline: null });
  expect(newer.front).toContain('"serial": 12345678901234567890');
  expect(newer.follow_up_prompts).toMatch(/\n\n- /);
  const [report] = await query(`select * from "InspirationReport" where "selectedTrack" is not null limit 1`);
  expect(report).toMatchObject({
    inspiration1Title: 'Track 1',
    inspiration2Title: 'Track 2',
    inspiration2Elements: [2],
  });
});

test('one run with its owner; fewer inspirations, a missing stage and no cards are warnings', async () => {
  await write('odd/whole', {
    'stage5/opportunity-1.md': undefined,
    'stage5/opportunities.json': '[{"title":"J","why_now":{"a":1}}]',
  });
  await write('odd/gaps', {
    'stage1/inspirations.json': '{"inspirations": [{"title": "alone"}]}',
    'stage3/lessons.json': undefined,
    'stage4/context.json': '{}',
    'stage5/opportunity-1.md': undefined,
  });
  const options = ['--param', 'path=odd', 'user-id=ops'];
  const one = await run(...options, 'run-id=whole');
  expect(one).toMatchObject({ state: 'succeeded', partitions: { total: 1 }, warnings: [] });
  expect(await query(`select "userId", "companyName" from "Run" where id = 'whole'`)).toEqual([
    { userId: 'ops', companyName: 'The Brand Name' },
  ]);
  expect(await query(`select number, title, why_now from "OpportunityCard" where "runId" = 'whole'`)).toEqual([
    { number: 1, title: 'J', why_now: '{"a":1}' },
  ]);
  expect(
    await query(`select "jsonOutput"::text as json from "StageOutput" where "runId" = 'whole' and "stageNumber" = 2`),
  ).toEqual([{ json: '{"n": 12345678901234567890.10}' }]);
  const all = await run(...options);
  expect(all).toMatchObject({ state: 'succeeded', partitions: { total: 2, skipped: 1, done: 1 } });
  expect(all.warnings.map(({ message }: { message: string }) => message).sort()).toEqual([
    'stage1/inspirations.json has one inspiration and not two: no report',
    'stage3/*.{json,md} is missing',
    'stage5 has no opportunities',
  ]);
  expect(await query(`select "companyId", "companyName" from "Run" where id = 'gaps'`)).toEqual([
    { companyId: 'unknown', companyName: 'Unknown' },
  ]);
  expect(await project.dray(['run', 'pipeline-runs', '--param', 'path=odd', 'run-id=whale'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/There is no run "whale".*Did you mean "whole"/),
  });
});

test('a changed file loads its run anew and no other; a file that is no JSON is rejected, and the rest of its run loads', async () => {
  await query(`update "OpportunityCard" set starred = true where "runId" = 'whole'`);
  await project.write('odd/whole/stage5/opportunities.json', '[{"title":"K"}]');
  await write('odd/broken', { 'stage2/trends.json': '{"half": ' });
  const report = await run('--param', 'path=odd', 'user-id=ops');
  expect(report).toMatchObject({
    state: 'completed_with_rejects',
    partitions: { total: 3, done: 2, skipped: 1 },
    rows: { rejected: 1 },
  });
  expect(await query(`select title, starred from "OpportunityCard" where "runId" = 'whole'`)).toEqual([
    { title: 'K', starred: true },
  ]);
  expect(await query(`select reason, message, raw from drayage.rejects where run_id = $1`, [report.run])).toEqual([
    {
      reason: 'invalid_json',
      message: expect.stringMatching(/^stage2\/trends\.json: /),
      raw: { file: 'stage2/trends.json', text: '{"half": ' },
    },
  ]);
  expect(await query(`select "stageNumber" as n from "StageOutput" where "runId" = 'broken' order by 1`)).toEqual(
    [1, 3, 4].map((n) => ({ n })),
  );
  await rm(join(project.root, 'odd/broken'), { recursive: true });
});
