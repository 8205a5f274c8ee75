import type { ClientBase, Pool } from 'pg';
import type { Reject } from '../model/sink.ts';
import type { LoadKey } from './apart-loads.ts';

/** Rejects that are held in memory on their way. */
const PAGE = 1000;

/** Puts rejects where the control database will take them from; part of the transaction that loads the other rows. */
export async function putRejects(client: ClientBase, key: LoadKey, rejects: readonly Reject[]): Promise<void> {
  const column = (field: (reject: Reject) => string | number | null) => rejects.map(field);
  await client.query(
    `insert into drayage.outbox_rejects
       (control, run_id, partition_id, table_name, row_number, column_name, reason, message, raw)
     select $1, $2, $3, r.*
     from unnest($4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::json[]) as r`,
    [
      ...[key.control, key.run, key.partition],
      ...[column(({ table }) => table), column(({ row }) => row), column(({ column: name }) => name)],
      ...[column(({ reason }) => reason), column(({ message }) => message.replaceAll('\0', '\\0'))],
      column(({ raw }) => raw),
    ],
  );
}

/** The rejects of a load, in the order in which they were put, page by page. */
export async function* waitingRejects(
  target: Pool,
  { control, partition }: Pick<LoadKey, 'control' | 'partition'>,
): AsyncGenerator<Reject[]> {
  for (let last = 0; ; ) {
    const { rows } = await target.query<Reject & { id: number }>(
      `select id, table_name as "table", row_number as "row", column_name as "column", reason, message, raw::text as raw
       from drayage.outbox_rejects where control = $1 and partition_id = $2 and id > $3 order by id limit ${PAGE}`,
      [control, partition, last],
    );
    if (rows.length > 0) yield rows;
    if (rows.length < PAGE) return;
    last = rows.at(-1)!.id;
  }
}

/** Removes rejects that the control database has. */
export async function clearOutbox(target: Pool, control: string, partitions: readonly number[]): Promise<void> {
  if (partitions.length === 0) return;
  await target.query('delete from drayage.outbox_rejects where control = $1 and partition_id = any ($2)', [
    control,
    partitions,
  ]);
}

/** Partitions of a run whose rejects are still waiting. */
export async function waitingPartitions(target: Pool, control: string, run: number): Promise<number[]> {
  const { rows } = await target.query<{ partition: number }>(
    'select distinct partition_id as partition from drayage.outbox_rejects where control = $1 and run_id = $2',
    [control, run],
  );
  return rows.map(({ partition }) => partition);
}
