import type { TestProject } from '../../helpers/project.ts';

/** A job with more partitions than are planned in one transaction, of one row each. */

export const PARTITIONS = 4_500;
export const PLANNED_AT_ONCE = 2_000;

export async function defineManyJob(project: TestProject): Promise<void> {
  await project.write('sql/targets/many.sql', 'create table many (id bigint)');
  await project.write(
    'jobs/many.ts',
    `import { defineJob, table } from 'drayage';
     const source = {
       description: 'numbers',
       async *enumerate() {
         for (let id = 0; id < ${PARTITIONS}; id++) {
           const name = 'number ' + id;
           yield { key: name, fingerprint: name, rows: 1, bytes: null, file: name, shape: '', spec: { id } };
         }
       },
       async open({ spec: { id } }) {
         return {
           async *records() { yield { row: 1, value: { id }, raw: () => String(id) }; },
           async assertUnchanged() {},
           async close() {},
         };
       },
     };
     export default defineJob({
       name: 'many', description: 'Many tiny partitions', retries: 20,
       source: () => source,
       transform: (record, emit) => emit.many(record),
       targets: { many: table({ ddl: 'many.sql', columns: { id: 'bigint' } }) },
     });`,
  );
}

/** What the table has to hold, made by Postgres alone. */
export const MANY_ROWS = `select i::bigint as id from generate_series(0, ${PARTITIONS - 1}) i`;
