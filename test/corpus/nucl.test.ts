import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compareRelations } from '../helpers/compare.ts';
import { CORPUS, corpusPresent } from '../helpers/corpus.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { openDrayage } from '../helpers/in-process.ts';
import type { TestProject } from '../helpers/project.ts';
import { checksumOfQuery } from '../helpers/table-checksum.ts';
import { useWorkspace } from '../helpers/workspace.ts';

describe.skipIf(!corpusPresent())('four hundred small files whose schemas drift', () => {
  let project: TestProject;
  let database: TestDatabase;
  let drayage: Awaited<ReturnType<typeof openDrayage>>;

  const duck = useWorkspace(async (opened) => {
    ({ project, database } = opened);
    await project.write(
      'jobs/sections.ts',
      `import { defineJob, files, table } from 'drayage';
       export default defineJob({
         name: 'sections', description: 'Cross sections', source: () => files('${join(CORPUS, 'parquet/nucl')}/**/*.parquet'),
         targets: { sections: table({ createTable: 'infer' }) },
       });`,
    );
    drayage = await openDrayage(project.root, database.url);
  });
  afterAll(() => drayage.close());

  test('load as one run into one table that holds them all', async () => {
    const report = await drayage.run('sections', {});
    expect(report.errors).toEqual([]);
    expect(report).toMatchObject({ state: 'succeeded', partitions: { done: 440, failed: 0 }, rows: { rejected: 0 } });
    const source = `select * from read_parquet('${join(CORPUS, 'parquet/nucl')}/**/*.parquet', union_by_name = true, hive_partitioning = false)`;
    const { source: wanted, table } = await compareRelations(duck, source, database.pool, 'sections');
    expect(table).toEqual(wanted);
    const client = await database.pool.connect();
    const found = await checksumOfQuery(client, 'select * from sections');
    client.release();
    expect(found).toEqual({ rows: report.rows.read, checksum: report.checksum });
  }, 120_000);
});
