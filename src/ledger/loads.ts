import type { Ledger } from './ledger.ts';

/** The ledger of tables. @param targets their OIDs, so that a table made anew counts as empty */
export function tableLedger(targets: readonly number[]): Ledger {
  return {
    async find(client, fingerprints) {
      const { rows } = await client.query<{ fingerprint: string }>(
        `select fingerprint from drayage.loads where fingerprint = any ($1) and targets = $2::int8[]::oid[]`,
        [fingerprints, targets],
      );
      return new Set(rows.map(({ fingerprint }) => fingerprint));
    },
    async enter(client, entry, again) {
      const { rowCount } = await client.query(
        `insert into drayage.loads as l (fingerprint, targets, job, partition_key, run_id)
         values ($1, $2::int8[]::oid[], $3, $4, $5)
         on conflict (fingerprint, targets) do update set run_id = excluded.run_id, loaded_at = now()
           where $6 and l.run_id <> excluded.run_id`,
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
