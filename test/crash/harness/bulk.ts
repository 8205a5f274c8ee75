import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createDuck } from '../../helpers/duck.ts';
import type { TestProject } from '../../helpers/project.ts';
import type { World } from './world.ts';

/** A table's worth of partitions of which two are large, and jobs that take more for these than a worker may have. */

const SMALL = 8;
const SMALL_ROWS = 1_000;
const LARGE = 2;
const LARGE_ROWS = 400_000;
const ROWS = SMALL * SMALL_ROWS + LARGE * LARGE_ROWS;

/** The file of a partition, and its rows. */
const PARTS = [
  ...Array.from({ length: SMALL }, (_, n) => ({ name: `small-${n}`, first: n * SMALL_ROWS, rows: SMALL_ROWS })),
  ...Array.from({ length: LARGE }, (_, n) => ({
    name: `large-${n}`,
    first: SMALL * SMALL_ROWS + n * LARGE_ROWS,
    rows: LARGE_ROWS,
  })),
];

const FROM_FILES = '({ path }) => files(path, { partitionRows: 1_000_000 })';

interface Bulk {
  /** Of the files; left out: the source makes the rows up. */
  format?: 'parquet' | 'json';
  source: string;
  transform?: string;
  retries?: number;
}

const JOBS = {
  sort: {
    format: 'parquet',
    source: FROM_FILES,
    transform: 'sql`select id, note from source qualify row_number() over (order by repeat(note, 4)) > 0`',
  },
  elements: { format: 'json', source: FROM_FILES },
  records: {
    source: `() => ({
      description: 'rows made up',
      async *enumerate() {
        for (const { name, first, rows } of ${JSON.stringify(PARTS)})
          yield { key: name, fingerprint: name, rows: null, bytes: null, file: name, shape: '', spec: { first, rows } };
      },
      async open({ spec: { first, rows } }) {
        return {
          async *records() {
            for (let row = 1; row <= rows; row++) {
              const id = first + row - 1;
              yield { row, value: { id, note: md5(id).repeat(4) }, raw: () => String(id) };
            }
          },
          async assertUnchanged() {},
          async close() {},
        };
      },
    })`,
    transform: '(record, emit) => emit.bulk(record)',
  },
  list: {
    format: 'parquet',
    source: FROM_FILES,
    transform: 'sql`select unnest(list(struct_pack(id := id, note := note)), recursive := true) from source`',
    retries: 3,
  },
  heap: {
    format: 'parquet',
    source: FROM_FILES,
    transform: `batches((batch) => {
      for (const row of batch) kept.push(row.toJSON());
      return batch;
    })`,
  },
} satisfies Record<string, Bulk>;

export type BulkJob = keyof typeof JOBS;

export async function defineBulkJobs(project: TestProject): Promise<void> {
  await project.write('sql/targets/bulk.sql', 'create table bulk (id bigint, note text)');
  for (const [name, job] of Object.entries<Bulk>(JOBS)) {
    await project.write(
      `jobs/${name}.ts`,
      `import { createHash } from 'node:crypto';
       import { batches, defineJob, files, sql, table } from 'drayage';
       const md5 = (value) => createHash('md5').update(String(value)).digest('hex');
       const kept = [];
       export default defineJob({
         name: '${name}', description: 'Takes much', retries: ${job.retries ?? 1}, params: { path: { type: 'string', default: '.' } },
         source: ${job.source},
         ${job.transform ? `transform: ${job.transform},` : ''}
         targets: { bulk: table({ ddl: 'bulk.sql' ${job.format ? '' : `, columns: { id: 'bigint', note: 'text' }`} }) },
       });`,
    );
  }
}

/** Lays the files of a job into the world's home, and enqueues it. @returns the run's number */
export async function enqueueBulk(world: World, name: BulkJob): Promise<number> {
  const { format } = JOBS[name] as Bulk;
  if (!format) return world.enqueue(name);
  const folder = join(world.home, 'bulk');
  await mkdir(folder, { recursive: true });
  const duck = createDuck();
  const options = format === 'json' ? 'format json, array true' : 'format parquet';
  for (const { name, first, rows } of PARTS) {
    const query = `select i as id, repeat(md5(i::varchar), 4) as note from range(${first}, ${first + rows}) t(i)`;
    await duck.use((connection) =>
      connection.execute(`copy (${query}) to '${join(folder, `${name}.${format}`)}' (${options})`),
    );
  }
  await duck.close();
  return world.enqueue(name, '--param', `path=${folder}`);
}

/** What the table has to hold, made by Postgres alone: all of it, or only the small partitions. */
export function bulkRows(which: 'small' | 'all'): string {
  const rows = which === 'small' ? SMALL * SMALL_ROWS : ROWS;
  return `select i::bigint as id, repeat(md5(i::text), 4) as note from generate_series(0, ${rows - 1}) i`;
}
