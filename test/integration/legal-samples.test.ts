import { execFile } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { rows as query } from '../../src/duckdb/scan.ts';
import { compareRelations } from '../helpers/compare.ts';
import type { TestDatabase } from '../helpers/database.ts';
import type { TestProject } from '../helpers/project.ts';
import { useWorkspace } from '../helpers/workspace.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const CONTENT = `select string_agg(t::text, e'\\n' order by id) as content from
  (select id, question, answer, topic, difficulty, case_citation, reasoning, jurisdiction, batch_id, sample_type from legal_samples) t`;

let project: TestProject;
let database: TestDatabase;

const duck = useWorkspace(async (opened) => {
  ({ project, database } = opened);
  await cp(join(REPOSITORY, 'jobs/legal-samples.ts'), join(project.root, 'jobs/legal-samples.ts'));
  await cp(join(REPOSITORY, 'sql/targets'), join(project.root, 'sql/targets'), { recursive: true });
  await promisify(execFile)(process.execPath, [join(REPOSITORY, 'jobs/samples/legal.ts')], { cwd: project.root });
});

async function value(sql: string): Promise<unknown> {
  return Object.values((await database.pool.query(sql)).rows[0])[0];
}

test('every sample arrives, with its six indexes, its defaults and its odd values', async () => {
  const finished = await project.dray(['run', 'legal-samples', '--json']);
  expect(JSON.parse(finished.stdout)).toMatchObject({
    state: 'succeeded',
    rows: { read: 7540, written: 7540, rejected: 0 },
  });
  expect(await value('select count(*) from legal_samples')).toBe(7540);
  const indexed = await database.pool.query(
    `select indexname from pg_indexes where tablename = 'legal_samples' and indexname <> 'legal_samples_pkey' order by 1`,
  );
  const columns = ['batch_id', 'created_at', 'difficulty', 'jurisdiction', 'sample_type', 'topic'];
  expect(indexed.rows.map(({ indexname }) => indexname)).toEqual(columns.map((column) => `legal_samples_${column}`));
  const odd = await database.pool.query('select column_name, value, rows from legal_samples_outside_lists');
  expect(odd.rows).toEqual([{ column_name: 'difficulty', value: 'foundational', rows: expect.any(Number) }]);
  expect(odd.rows[0].rows).toBeGreaterThan(800);
  const source = await duck.use((connection) =>
    query(
      connection,
      `select count(*)::int as n from '${project.root}/data/legal/*.parquet' where case_citation is null`,
    ),
  );
  expect(source[0]!.n).toBeGreaterThan(0);
  expect(await value(`select count(*) from legal_samples where case_citation = ''`)).toBeGreaterThan(
    Number(source[0]!.n),
  );
});

test('every value is that of its file, and the table is the one that was asked for', async () => {
  const blank = (name: string) => `coalesce(${name}, '') as ${name}`;
  const files = `select id, question, answer, topic, difficulty, ${blank('case_citation')}, ${blank('reasoning')},
    coalesce(jurisdiction, 'uk') as jurisdiction, batch_id, coalesce(sample_type, 'case_analysis') as sample_type
    from read_parquet('${project.root}/data/legal/*.parquet', union_by_name = true)`;
  const { source, table } = await compareRelations(duck, files, database.pool, 'legal_samples');
  expect(source.n).toBe('7540');
  expect(table).toEqual(source);
  const { rows } = await database.pool.query(
    `select attname || ' ' || format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end
       || coalesce(' ' || pg_get_expr(adbin, adrelid), '') as c
     from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
     where attrelid = 'legal_samples'::regclass and attnum > 0 order by attnum`,
  );
  expect(rows.map(({ c }) => c)).toEqual([
    'id character varying(200) not null',
    'question text not null',
    'answer text not null',
    'topic character varying(200) not null',
    'difficulty character varying(50) not null',
    'case_citation text not null',
    'reasoning text not null',
    `jurisdiction character varying(50) 'uk'::character varying`,
    'batch_id character varying(100)',
    `sample_type character varying(50) 'case_analysis'::character varying`,
    'created_at timestamp with time zone not null now()',
    'updated_at timestamp with time zone not null now()',
  ]);
  const verified = await project.dray(['verify', '--sample', '100', '--json']);
  expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, sample: { checked: 100, different: 0 } });
});

test('the same samples from JSON Lines are the same rows, and none of them is touched', async () => {
  const before = await value(CONTENT);
  const touched = await value('select max(updated_at)::text from legal_samples');
  await duck.use((connection) =>
    query(
      connection,
      `copy (select * from '${project.root}/data/legal/*.parquet') to '${project.root}/all.jsonl' (format json)`,
    ),
  );
  const report = JSON.parse(
    (await project.dray(['run', 'legal-samples', '--param', 'path=all.jsonl', '--json'])).stdout,
  );
  expect(report).toMatchObject({ state: 'succeeded', rows: { read: 7540, written: 0, unchanged: 7540 } });
  expect(await value('select max(updated_at)::text from legal_samples')).toBe(touched);

  await database.pool.query('truncate legal_samples');
  await project.dray(['run', 'legal-samples', '--param', 'path=all.jsonl', '--force']);
  expect(await value(CONTENT)).toBe(before);
});

test('a changed sample moves its updated_at, and no other', async () => {
  await project.write(
    'one.jsonl',
    `${JSON.stringify({
      id: 'legal-00000007',
      question: 'Q',
      answer: 'A',
      topic: 'Tax',
      difficulty: 'basic',
      case_citation: 'none',
      reasoning: 'R',
    })}\n`,
  );
  const started = await value('select now()::text');
  const report = JSON.parse(
    (await project.dray(['run', 'legal-samples', '--param', 'path=one.jsonl', '--json'])).stdout,
  );
  expect(report).toMatchObject({ rows: { read: 1, written: 1 } });
  const { rows } = await database.pool.query(
    'select id, jurisdiction, sample_type from legal_samples where updated_at >= $1',
    [started],
  );
  expect(rows).toEqual([{ id: 'legal-00000007', jurisdiction: 'uk', sample_type: 'case_analysis' }]);
});
