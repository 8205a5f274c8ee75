import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { DrayageError } from '../../src/base/errors.ts';
import { compareRelations } from '../helpers/compare.ts';
import { CORPUS, corpusPresent } from '../helpers/corpus.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { openDrayage } from '../helpers/in-process.ts';
import type { TestProject } from '../helpers/project.ts';
import { checksumOfQuery } from '../helpers/table-checksum.ts';
import { useWorkspace } from '../helpers/workspace.ts';

const FOLDER = join(CORPUS, 'parquet/parquet-testing');

/** Files that are not loaded as a whole, and why. */
const NOT_LOADED: [name: RegExp, why: RegExp][] = [
  [/\.encrypted$/, /SOURCE_INVALID: .*is an encrypted Parquet file|SOURCE_UNREADABLE: .*[Ee]ncrypt/],
  [/lz4_compressed/, /SOURCE_UNREADABLE: .*Unsupported compression codec "LZ4"/],
  [/byte_stream_split_extended/, /SOURCE_UNREADABLE: .*BYTE_STREAM_SPLIT encoding is only supported/],
  [/large_string_map/, /OUT_OF_MEMORY: .*ran out of memory/],
  [/map_no_value/, /SOURCE_INVALID: .*MAP_KEY_VALUE requires two children/],
  // A moment beyond what DuckDB's reader of int96 can hold.
  [/int96_from_spark/, /^loaded 5 rows, rejected out_of_range/],
  [/ARROW-GH-413[12]/, /SOURCE_INVALID: .*does not have geometry types/],
  [/ARROW-GH-47662/, /SOURCE_UNREADABLE: .*Out of buffer/],
  [/DICTHEADER|PARQUET-1481/, /(SOURCE_UNREADABLE|SOURCE_INVALID): .*TProtocolException/],
];

describe.skipIf(!corpusPresent())('the conformance files of Parquet', () => {
  let project: TestProject;
  let database: TestDatabase;
  let drayage: Awaited<ReturnType<typeof openDrayage>>;

  const duck = useWorkspace(async (opened) => {
    ({ project, database } = opened);
    await project.write(
      'jobs/conformance.ts',
      `import { defineJob, files, table } from 'drayage';
       export default defineJob({
         name: 'conformance', description: 'Files', params: { path: { type: 'string' } },
         source: ({ path }) => files(path), targets: { conformance: table({ createTable: 'infer' }) },
       });`,
    );
    drayage = await openDrayage(project.root, database.url);
  });
  afterAll(() => drayage.close());

  /** What becomes of a file: that it is loaded exactly, or why not. */
  async function outcomeOf(path: string): Promise<string> {
    await database.pool.query('drop table if exists conformance');
    const report = await drayage.run('conformance', { path }).catch((error) => {
      if (error instanceof DrayageError) return error;
      throw error;
    });
    if (report instanceof DrayageError) return `refused: ${report.code}: ${report.message}`;
    if (report.state === 'failed') return `failed: ${report.errors[0]!.code}: ${report.errors[0]!.message}`;
    if (report.rows.rejected > 0) {
      const { rows } = await database.pool.query('select reason, message from drayage.rejects where run_id = $1', [
        report.run,
      ]);
      expect(report.rows.written).toBe(report.rows.read - rows.length);
      return `loaded ${report.rows.written} rows, rejected ${rows.map(({ reason, message }) => `${reason}: ${message}`)}`;
    }
    const source = `select * from read_parquet('${path}', hive_partitioning = false)`;
    const { source: wanted, table } = await compareRelations(duck, source, database.pool, 'conformance');
    expect({ path, ...table }).toEqual({ path, ...wanted });
    const json = await database.pool.query(
      `select from pg_attribute where attrelid = 'conformance'::regclass and atttypid = 'jsonb'::regtype`,
    );
    const client = await database.pool.connect();
    const found = await checksumOfQuery(client, 'select * from conformance');
    client.release();
    expect({ path, rows: found.rows }).toEqual({ path, rows: report.rows.read });
    if (json.rowCount === 0) expect({ path, checksum: found.checksum }).toEqual({ path, checksum: report.checksum });
    return `loaded ${report.rows.written} rows`;
  }

  test('load exactly, or are refused by name; a bad one never harms the next', async () => {
    const outcomes: Record<string, string> = {};
    for (const folder of ['data', 'bad_data', 'data/aes256']) {
      for (const name of (await readdir(join(FOLDER, folder))).sort()) {
        const file = join(FOLDER, folder, name);
        if (name.endsWith('.parquet')) outcomes[name] = await outcomeOf(file);
        if (!name.endsWith('.encrypted')) continue;
        await cp(file, join(project.root, `${name}.parquet`));
        outcomes[name] = await outcomeOf(join(project.root, `${name}.parquet`));
      }
    }
    const loaded = Object.values(outcomes).filter((outcome) => /^loaded \d+ rows$/.test(outcome));
    expect(loaded.length).toBeGreaterThan(60);
    const others = Object.entries(outcomes).filter(([, outcome]) => !/^loaded \d+ rows$/.test(outcome));
    for (const [name, outcome] of others) {
      const wanted = NOT_LOADED.find(([names]) => names.test(name));
      expect({ name, outcome }).toEqual({ name, outcome: expect.stringMatching(wanted?.[1] ?? /^loaded/) });
    }
  }, 300_000);
});
