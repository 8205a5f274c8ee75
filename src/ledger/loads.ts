import type { ClientBase, Pool } from 'pg';
import type { Ledger, LedgerTable } from './ledger.ts';

/** What an entry says about a table that a crash empties, which holds until the next crash. Others say nothing. */
export const epochOf = (tables: readonly LedgerTable[]) =>
  tables.some(({ unlogged }) => unlogged) ? 'drayage.current_epoch()' : 'null';
/** Whether an entry `l` holds no more. The function sees what others have committed since the statement began. */
export const OUTLIVED = 'l.epoch <> drayage.current_epoch()';

/** The ledger of tables. */
export function tableLedger(tables: readonly LedgerTable[]): Ledger {
  const targets = tables.map(({ oid }) => oid);
  return {
    async find(client, fingerprints) {
      const { rows } = await client.query<{ fingerprint: string }>(
        `select fingerprint from drayage.loads
         where fingerprint = any ($1) and targets = $2::int8[]::oid[]
           and (epoch is null or epoch = (select id from drayage.epoch))`,
        [fingerprints, targets],
      );
      return new Set(rows.map(({ fingerprint }) => fingerprint));
    },
    async enter(client, entry, again) {
      const { rowCount } = await client.query(
        `insert into drayage.loads as l (fingerprint, targets, job, partition_key, run_id, epoch)
         values ($1, $2::int8[]::oid[], $3, $4, $5, ${epochOf(tables)})
         on conflict (fingerprint, targets) do update
           set run_id = excluded.run_id, epoch = excluded.epoch, loaded_at = now()
           where ($6 and l.run_id <> excluded.run_id) or ${OUTLIVED}`,
        [entry.fingerprint, targets, entry.job, entry.partition, entry.run, again],
      );
      return rowCount === 1;
    },
    async complete(client, loads) {
      if (loads.length === 0) return;
      await client.query(
        `update drayage.loads l set rows_written = c.written, checksum = c.checksum
         from jsonb_to_recordset($1::jsonb) as c (fingerprint text, written bigint, checksum text)
         where l.fingerprint = c.fingerprint and l.targets = $2::int8[]::oid[]`,
        [JSON.stringify(loads), targets],
      );
    },
  };
}

/**
 * Whether a crash has emptied tables since a run has loaded into them.
 * @param control the control database that knows the run, where that is another one
 */
export async function isEmptied(client: ClientBase | Pool, run: number, control?: string): Promise<boolean> {
  const { rows } = await client.query<{ emptied: boolean }>(
    `select exists (
       select from drayage.loads where run_id = $1 and epoch is not null ${control ? 'and control = $2' : ''}
         and epoch is distinct from (select id from drayage.epoch)
     ) as emptied`,
    control ? [run, control] : [run],
  );
  return rows[0]!.emptied;
}
