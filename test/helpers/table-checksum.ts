import type { ClientBase } from 'pg';
import { Checksum } from '../../src/postgres/checksum.ts';
import { copyOut } from '../../src/postgres/copy-out.ts';

/**
 * The additive checksum of what a query returns: equal to the load's when the columns are the same and in the same order.
 * @param query SQL in full
 */
export async function checksumOfQuery(client: ClientBase, query: string): Promise<{ rows: number; checksum: string }> {
  const checksum = new Checksum();
  const rows = await copyOut(client, query, (...row) => checksum.add(...row));
  return { rows, checksum: checksum.toString() };
}
