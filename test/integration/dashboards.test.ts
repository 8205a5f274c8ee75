import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate } from '../../src/postgres/migrate.ts';
import { createPool } from '../../src/postgres/pool.ts';
import { renderMetrics } from '../../src/runs/metrics.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { TestProject } from '../helpers/project.ts';
import { type Sample, samplesOf } from '../helpers/prometheus.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFile(join(ROOT, path), 'utf8');

interface Query {
  panel: string;
  /** `time_series`, `table`, or `variable`. */
  format: string;
  text: string;
}

interface Dashboard {
  panels: { title: string; targets: { rawSql?: string; expr?: string; format?: string }[] }[];
  templating: { list: { name: string; type: string; query: string | { query: string } }[] };
}

function queriesOf({ panels, templating }: Dashboard): Query[] {
  const drawn = panels.flatMap(({ title, targets }) =>
    targets.map(({ rawSql, expr, format = '' }) => ({ panel: title, format, text: (rawSql ?? expr)! })),
  );
  const asked = templating.list.filter(({ type }) => type === 'query');
  return [
    ...drawn,
    ...asked.map(({ name, query }) => {
      return { panel: name, format: 'variable', text: typeof query === 'string' ? query : query.query };
    }),
  ];
}

const overPostgres = queriesOf(JSON.parse(await read('dashboards/grafana.json')));
const overPrometheus = queriesOf(JSON.parse(await read('dashboards/grafana-prometheus.json')));
const page = await read('docs/dashboards.md');

let database: TestDatabase;
let project: TestProject;
let samples: Sample[];
let text: string;
beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  await project.write('in/a.csv', 'id,note\n1,one\nx,two\n');
  await project.write(
    'jobs/notes.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'notes', description: 'Notes', params: { path: { type: 'string' } },
       source: ({ path }) => files(path, { columns: { id: 'integer', note: 'varchar' } }),
       targets: { notes: table({ createTable: 'infer' }) },
     });`,
  );
  const drayage = await openDrayage(project.root, database.url);
  await drayage.run('notes', { path: 'in/a.csv' });
  text = await renderMetrics(drayage.services);
  samples = samplesOf(text);
  await drayage.close();
});
afterAll(async () => {
  await project.remove();
  await database.drop();
});

/** What Grafana puts in place of its macros and variables. */
function expanded(sql: string, jobs: string, runs: string): string {
  const [from, to] = [new Date(Date.now() - 3_600_000), new Date(Date.now() + 60_000)];
  return sql
    .replaceAll(/\$\{job:csv\}/g, jobs)
    .replaceAll(/\$\{run:csv\}/g, runs)
    .replaceAll(/\$__timeFilter\(([^)]*)\)/g, `$1 between '${from.toISOString()}' and '${to.toISOString()}'`);
}

describe('the Grafana dashboard over Postgres', () => {
  test.each(overPostgres)('$panel', async ({ format, text: sql }) => {
    const query = expanded(sql, 'notes,other', '1,2');
    expect(query).not.toContain('$');
    const { rows, fields } = await database.pool.query(query);
    if (format === 'time_series') {
      expect(rows.length).toBeGreaterThan(0);
      expect(rows[0]).toMatchObject({ time: expect.any(Date), metric: 'notes' });
      expect(typeof rows[0][fields[2]!.name]).toBe('number');
      expect(query).toMatch(/order by time$/);
    }
    if (format === 'variable') expect(rows.map((row) => String(row[fields[0]!.name]))).toEqual([expect.any(String)]);
    // Before there is anything to choose from.
    await database.pool.query(expanded(sql, '', ''));
  });

  test('shows the run, its rows and its reject', async () => {
    const rowsOf = async (panel: string) => {
      const { text: sql } = overPostgres.find((query) => query.panel === panel)!;
      return (await database.pool.query(expanded(sql, 'notes', '1'))).rows;
    };
    expect(await rowsOf('Runs')).toMatchObject([{ run: 1, state: 'completed_with_rejects', percent: 100 }]);
    expect(await rowsOf('Rejected rows')).toMatchObject([{ rows: '1' }]);
    expect(await rowsOf('Rejects by reason')).toMatchObject([{ run: 1, rows: 1, reason: expect.any(String) }]);
    const took = await rowsOf('How long partitions take');
    expect(took).toHaveLength(16);
    expect(took.reduce((sum, { done }) => sum + Number(done), 0)).toBe(1);
  });
});

describe('the Grafana dashboard over Prometheus', () => {
  test.each(overPrometheus)('$panel: $text', ({ text: expr }) => {
    const used = [...expr.matchAll(/drayage_\w+/g)].map(([name]) => name);
    expect(used.length).toBeGreaterThan(0);
    for (const name of used) {
      expect(text).toContain(`# TYPE ${name.replace(/(duration_seconds)_(bucket|sum|count)$/, '$1')} `);
      const labels = [
        ...expr.matchAll(/(\w+)(?:=~|!=|=)"/g),
        ...[...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list]) => [...list!.matchAll(/(\w+)/g)]),
      ].map(([, label]) => label!);
      const found = samples.filter((sample) => sample.name === name);
      for (const label of found.length > 0 ? labels : []) expect(found[0]!.labels).toHaveProperty(label);
    }
  });
});

describe('the page about dashboards', () => {
  test('names every view and every column with its type, as the catalog has them', async () => {
    const { rows } = await database.pool.query<{ view: string; columns: [string, string][] }>(
      `select c.relname as view, jsonb_agg(jsonb_build_array(a.attname, format_type(a.atttypid, a.atttypmod)) order by a.attnum) as columns
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
       where c.relnamespace = 'drayage'::regnamespace and c.relkind = 'v' group by 1 order by 1`,
    );
    const sections = page.split(/^### /m).slice(1);
    const documented = sections.map((section) => {
      const columns = [...section.split(/^## /m)[0]!.matchAll(/^\| `(\w+)` \| ([^|]+?) \|/gm)];
      return { view: section.split('\n')[0]!, columns: columns.map(([, name, type]) => [name!, type!]) };
    });
    expect(documented.sort((a, b) => (a.view < b.view ? -1 : 1))).toEqual(rows);
  });

  test('names every metric with its type, as they are rendered', () => {
    const told = [...page.matchAll(/^\| `(drayage_\w+)` \| (\w+) \|/gm)].map(([, name, type]) => `${name} ${type}`);
    const rendered = [...text.matchAll(/^# TYPE (.*)$/gm)].map(([, metric]) => metric!);
    expect(told.sort()).toEqual(rendered.sort());
  });

  test('has examples that run', async () => {
    const examples = [...page.split('## Metabase')[1]!.matchAll(/```sql\n([^`]*)```/g)].map(([, sql]) => sql!);
    expect(examples.length).toBeGreaterThan(3);
    for (const sql of examples) await database.pool.query(sql);
  });

  test('has grants that hold when views are made anew', async () => {
    const role = `grafana_${new URL(database.url).pathname.slice(1)}`;
    const [, grants] = /```sql\n([^`]*)```/.exec(page)!;
    try {
      await database.pool.query(grants!.replaceAll('grafana', role).replace('…', 'pass'));
      await database.pool.query(`update drayage.migrations set checksum = 'older' where name like 'views/%'`);
      expect(await migrate(database.pool, join(ROOT, 'sql'))).not.toEqual([]);
      const url = new URL(database.url);
      [url.username, url.password] = [role, 'pass'];
      const reader = createPool(url.href, { max: 1, applicationName: 'grafana' });
      expect((await reader.query('select run from drayage.run_progress')).rows).toEqual([{ run: 1 }]);
      await expect(reader.query('delete from drayage.runs')).rejects.toThrow(/permission denied/);
      await reader.end();
    } finally {
      await database.pool.query(`drop owned by ${role}; drop role ${role}`);
    }
  });
});
