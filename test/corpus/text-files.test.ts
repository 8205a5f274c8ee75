import { readdirSync, readFileSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CORPUS, corpusPresent } from '../helpers/corpus.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { TestProject } from '../helpers/project.ts';

describe.skipIf(!corpusPresent())('text files of others', () => {
  let project: TestProject;
  let database: TestDatabase;
  let drayage: Awaited<ReturnType<typeof openDrayage>>;

  beforeAll(async () => {
    database = await createDatabase();
    project = await TestProject.create(database.url);
    drayage = await openDrayage(project.root, database.url);
  });
  afterAll(async () => {
    await drayage.close();
    await project.remove();
    await database.drop();
  });

  async function job(name: string, source: string, table: string) {
    await project.write(
      `jobs/${name}.ts`,
      `import { defineJob, files, table } from 'drayage';
       export default defineJob({ name: '${name}', description: 'Texts', source: () => ${source}, targets: { ${table}: table({ createTable: 'infer' }) } });`,
    );
    expect(await drayage.run(name, {})).toMatchObject({ state: 'succeeded', errors: [], rows: { rejected: 0 } });
  }

  const spectrum = corpusPresent()
    ? readdirSync(join(CORPUS, 'csv/csv-spectrum/csvs')).map((file) => file.replace('.csv', ''))
    : [];

  test.each(spectrum)('csv-spectrum: %s holds what its truth says', async (name) => {
    await cp(join(CORPUS, `csv/csv-spectrum/csvs/${name}.csv`), join(project.root, `${name}.csv`));
    const truth = JSON.parse(readFileSync(join(CORPUS, `csv/csv-spectrum/json/${name}.json`), 'utf8')) as Record<
      string,
      string
    >[];
    const columns = Object.fromEntries(Object.keys(truth[0]!).map((column) => [column, 'VARCHAR']));
    const table = `spectrum_${name}`;
    await job(
      name.replaceAll('_', '-'),
      `files('${name}.csv', { columns: ${JSON.stringify(columns)}, csv: { null: [] } })`,
      table,
    );
    expect((await database.pool.query(`select * from ${table}`)).rows).toEqual(truth);
  });

  test('grade-school-math: every question and answer arrives to the letter', async () => {
    const file = join(CORPUS, 'jsonl/grade-school-math/train.jsonl');
    await cp(file, join(project.root, 'math.jsonl'));
    await job('math', `files('math.jsonl', { partitionBytes: 1000000 })`, 'math');
    const expected = (await readFile(file, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const { rows } = await database.pool.query('select question, answer from math');
    expect(rows).toHaveLength(7473);
    const inOrder = (list: object[]) => list.map((row) => JSON.stringify(row)).sort();
    expect(inOrder(rows)).toEqual(inOrder(expected));
  });
});
