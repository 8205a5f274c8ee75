import type { Ledger } from './ledger.ts';

/** The ledger of a lake. @param lake its id, so that one made anew counts as empty */
export function lakeLedger(lake: string, datasets: readonly string[]): Ledger {
  const places = [...datasets].sort();
  return {
    async find(client, fingerprints) {
      const { rows } = await client.query<{ fingerprint: string }>(
        `select fingerprint from drayage.lake_loads where fingerprint = any ($1) and lake = $2 and datasets = $3`,
        [fingerprints, lake, places],
      );
      return new Set(rows.map(({ fingerprint }) => fingerprint));
    },
    async enter(client, entry, again) {
      const { rowCount } = await client.query(
        `insert into drayage.lake_loads as l (fingerprint, lake, datasets, job, partition_key, run_id)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (fingerprint, lake, datasets) do update set run_id = excluded.run_id, loaded_at = now()
           where $7 and l.run_id <> excluded.run_id`,
        [entry.fingerprint, lake, places, entry.job, entry.partition, entry.run, again],
      );
      return rowCount === 1;
    },
    async complete(client, loads) {
      if (loads.length === 0) return;
      await client.query(
        `update drayage.lake_loads l set rows_written = c.written
         from jsonb_to_recordset($1::jsonb) as c (fingerprint text, written bigint)
         where l.fingerprint = c.fingerprint and l.lake = $2 and l.datasets = $3`,
        [JSON.stringify(loads), lake, places],
      );
    },
  };
}
