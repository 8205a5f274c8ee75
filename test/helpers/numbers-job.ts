import type { Workspace } from './workspace.ts';

/** A job `numbers` that loads the column id of the files in `data` into the table `numbers`. */
export async function writeNumbersJob({ project }: Workspace): Promise<void> {
  await project.write('sql/targets/numbers.sql', 'create table numbers (id bigint)');
  await project.write(
    'jobs/numbers.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'numbers', description: 'Numbers', source: () => files('data', { columns: { id: 'bigint' } }),
       targets: { numbers: table({ ddl: 'numbers.sql' }) },
     });`,
  );
}
