import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientBase } from 'pg';
import { DrayageError } from '../base/errors.ts';
import type { Target } from '../model/target.ts';
import { describeTable, requireTable, type Table } from '../postgres/catalog.ts';
import { databaseError } from '../postgres/errors.ts';

/** Where the DDL files of targets lie, below the project root. */
export const DDL_FOLDER = 'sql/targets';

/** @throws JOB_INVALID when the file is not there */
export async function readDdl(root: string, file: string): Promise<string> {
  const path = join(DDL_FOLDER, file);
  return readFile(join(root, path), 'utf8').catch((cause) => {
    throw new DrayageError('JOB_INVALID', `The DDL file ${path} cannot be read`, {
      where: { field: 'targets' },
      hint: 'Create it, or mend its name in the target.',
      cause,
    });
  });
}

/**
 * The table of a target; created by its DDL when it is absent.
 * @returns whether it was created, beside what it looks like
 */
export async function ensureTable(
  client: ClientBase,
  name: string,
  target: Target,
  root: string,
): Promise<{ table: Table; created: boolean }> {
  const existing = await describeTable(client, name).catch((error) => {
    throw databaseError(error);
  });
  if (existing) return { table: existing, created: false };
  if (target.ddl) {
    const ddl = await readDdl(root, target.ddl);
    await client.query(ddl).catch((cause) => {
      throw new DrayageError('TARGET_INVALID', `Postgres does not accept ${target.ddl}: ${cause.message}`, {
        where: { table: name },
        hint: 'Mend the DDL file.',
        cause,
      });
    });
  }
  return { table: await requireTable(client, name), created: true };
}
