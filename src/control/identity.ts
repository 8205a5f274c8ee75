import type { ControlDb } from './db.ts';

/** How this control database is called in target databases that lie apart from it: a UUID. */
export async function identityOf(db: ControlDb): Promise<string> {
  return (await db.selectFrom('drayage.identity').select('id').executeTakeFirstOrThrow()).id;
}
