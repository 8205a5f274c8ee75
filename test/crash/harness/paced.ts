import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { World } from './world.ts';

/** A job whose partitions take a while without much work, and its files. */

const ROWS = 10;
const MS = 250;

/** @returns the folder with one file for each partition */
export async function paced(world: World, partitions: number): Promise<string> {
  await world.project.write('sql/targets/paced.sql', 'create table paced (id bigint, note text)');
  await world.project.write(
    'jobs/paced.ts',
    `import { batches, defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'paced', description: 'Takes its time', params: { path: { type: 'string' } },
       source: ({ path }) => files(path, { columns: { id: 'bigint', note: 'varchar' } }),
       transform: batches(async (batch) => {
         if (batch.numRows > 0) await new Promise((resolve) => setTimeout(resolve, ${MS}));
         return batch;
       }),
       targets: { paced: table({ ddl: 'paced.sql' }) },
     });`,
  );
  const folder = join(world.home, 'paced');
  await mkdir(folder, { recursive: true });
  for (let file = 0; file < partitions; file++) {
    const lines = Array.from({ length: ROWS }, (_, row) => JSON.stringify(rowOf(file * ROWS + row)));
    await writeFile(join(folder, `${String(file).padStart(4, '0')}.jsonl`), `${lines.join('\n')}\n`);
  }
  return folder;
}

const rowOf = (id: number) => ({ id, note: `note ${id}` });

/** What the table has to hold then, made by Postgres alone. */
export function pacedRows(partitions: number): string {
  return `select i::bigint as id, 'note ' || i as note from generate_series(0, ${partitions * ROWS - 1}) i`;
}
