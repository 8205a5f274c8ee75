import { type Selectable, sql } from 'kysely';
import type { ControlDb, ControlSchema } from './db.ts';

export type LakeRun = Selectable<ControlSchema['drayage.lake_runs']>;

/** A file that is in its place. */
export interface EnteredFile {
  dataset: string;
  path: string;
  rows: number;
  bytes: number;
  checksum: string;
  columns: readonly { name: string; type: string }[];
}

/** The lake that a run fills, and what its manifest will be called. */
export async function beginLakeRun(db: ControlDb, run: number, lake: { id: string; root: string }): Promise<void> {
  const name = sql<string>`to_char(now() at time zone 'UTC', 'YYYYMMDD"T"HH24MISSMS"Z"') || '-' || ${run}::text`;
  await db
    .insertInto('drayage.lake_runs')
    .values({ run_id: run, root: lake.root, lake: lake.id, manifest: name })
    .execute();
}

export function findLakeRun(db: ControlDb, run: number): Promise<LakeRun | undefined> {
  return db.selectFrom('drayage.lake_runs').selectAll().where('run_id', '=', run).executeTakeFirst();
}

/** Notes what an attempt is about to put, outside of its transaction. */
export async function notePuts(db: ControlDb, run: number, paths: readonly string[]): Promise<void> {
  await sql`insert into drayage.lake_puts (run_id, path) select ${run}, unnest(${paths}::text[])
    on conflict do nothing`.execute(db);
}

/** What attempts of a run have put, or were about to put, and whether it was entered. */
export async function notedPuts(db: ControlDb, { run_id: run, lake }: LakeRun) {
  const { rows } = await sql<{ path: string; entered: boolean }>`
    select p.path, exists (select from drayage.lake_files f where f.lake = ${lake} and f.path = p.path) as entered
    from drayage.lake_puts p where p.run_id = ${run}`.execute(db);
  return rows;
}

export async function clearPuts(db: ControlDb, run: number): Promise<void> {
  await db.deleteFrom('drayage.lake_puts').where('run_id', '=', run).execute();
}

/** Enters files; part of the transaction that settles their partition. */
export async function enterFiles(
  db: ControlDb,
  { run_id: run, lake }: LakeRun,
  partition: { key: string; fingerprint: string },
  files: readonly EnteredFile[],
): Promise<void> {
  await sql`
    insert into drayage.lake_files
      (lake, dataset, path, rows, bytes, checksum, columns, run_id, partition_key, fingerprint)
    select ${lake}, dataset, path, rows, bytes, checksum, columns, ${run}, ${partition.key}, ${partition.fingerprint}
    from jsonb_to_recordset(${JSON.stringify(files)}::jsonb)
      as f (dataset text, path text, rows bigint, bytes bigint, checksum text, columns jsonb)`.execute(db);
}

/** The columns of a dataset, which nobody else can change until the transaction ends. */
export async function lockDataset(db: ControlDb, lake: string, dataset: string): Promise<EnteredFile['columns']> {
  await sql`insert into drayage.lake_datasets (lake, dataset, columns) values (${lake}, ${dataset}, '[]')
    on conflict do nothing`.execute(db);
  const { rows } = await sql<{ columns: EnteredFile['columns'] }>`
    select columns from drayage.lake_datasets where lake = ${lake} and dataset = ${dataset} for update`.execute(db);
  return rows[0]!.columns;
}

export async function keepDataset(
  db: ControlDb,
  lake: string,
  dataset: string,
  columns: EnteredFile['columns'],
): Promise<void> {
  await sql`update drayage.lake_datasets set columns = ${JSON.stringify(columns)}::jsonb
    where lake = ${lake} and dataset = ${dataset}`.execute(db);
}

/** The columns that datasets have so far, by name. */
export async function datasetColumns(db: ControlDb, lake: string): Promise<Map<string, EnteredFile['columns']>> {
  const found = await db.selectFrom('drayage.lake_datasets').selectAll().where('lake', '=', lake).execute();
  return new Map(found.map(({ dataset, columns }) => [dataset, columns as EnteredFile['columns']]));
}

/**
 * Decides what a run's manifest says, once and for all: the files of its content, whoever has brought it, and instead of
 * which earlier ones. Content that another run has brought and not published is published here, whether that run goes on
 * or has failed: whoever has left it out because it was there may not end without it. To be called by one run of a lake at
 * a time.
 * @param replaced datasets in which a partition takes the place of what the job has written for it before
 */
export async function decideManifest(
  db: ControlDb,
  { run_id: run, lake }: LakeRun,
  replaced: readonly string[],
): Promise<void> {
  await sql`
    with decided as (
      update drayage.lake_runs set published_at = date_trunc('milliseconds', now())
      where run_id = ${run} and published_at is null returning run_id
    ), content as (
      -- With the run that has brought it last: the files of that one count.
      select p.key, l.fingerprint, l.run_id
      from decided d join drayage.partitions p on p.run_id = d.run_id and p.state in ('done', 'skipped')
      join drayage.lake_loads l on l.fingerprint = p.fingerprint and l.lake = ${lake}
    ), added as (
      update drayage.lake_files f set added_by = ${run} from content c
      where f.lake = ${lake} and f.fingerprint = c.fingerprint and f.run_id = c.run_id and f.removed_by is null
        and not exists (select from drayage.lake_runs r where r.run_id = f.added_by
          and (r.published or exists (select from drayage.runs where id = r.run_id and finished_at is null)))
    ), fresh as (
      -- Of what is published, everything that it replaces is removed.
      select * from content c
      where c.run_id = ${run} or exists (select from drayage.lake_runs where run_id = c.run_id and not published)
    ), former as (
      select f.id from fresh c join drayage.lake_files f on f.fingerprint = c.fingerprint and f.run_id <> c.run_id
      where f.lake = ${lake}
      union all
      select f.id from fresh c join drayage.lake_files f on f.partition_key = c.key and f.fingerprint <> c.fingerprint
      join drayage.runs n on n.id = f.run_id and n.job = (select job from drayage.runs where id = ${run})
      where f.lake = ${lake} and f.dataset = any (${replaced}::text[])
    ), removed as (
      update drayage.lake_files set removed_by = ${run}
      where id in (select id from former) and removed_by is null and added_by is not null
      returning fingerprint, run_id
    )
    -- What comes back is to be loaded again.
    delete from drayage.lake_loads l using removed r
    where l.lake = ${lake} and l.fingerprint = r.fingerprint and l.run_id = r.run_id`.execute(db);
}

/** What was decided. */
export async function decidedFiles(db: ControlDb, run: number) {
  const of = (by: 'added_by' | 'removed_by') =>
    db.selectFrom('drayage.lake_files').selectAll().where(by, '=', run).orderBy('path').execute();
  return { files: await of('added_by'), removes: (await of('removed_by')).map(({ path }) => path) };
}

/** Files of the manifest are there for readers. */
export async function markPublished(db: ControlDb, run: number): Promise<void> {
  await db
    .updateTable('drayage.lake_runs')
    .set({ published: true })
    .where('run_id', '=', run)
    .where('published_at', 'is not', null)
    .execute();
}

/** What a run has brought into its lake. */
export interface LakeSummary {
  root: string;
  /** The name of the manifest; null when there was nothing to publish, or the run has failed. */
  manifest: string | null;
  datasets: { dataset: string; files: number; rows: number; bytes: number }[];
}

export async function lakeSummary(db: ControlDb, run: number): Promise<LakeSummary | null> {
  const found = await findLakeRun(db, run);
  if (!found) return null;
  const { rows } = await sql<LakeSummary['datasets'][number]>`
    select dataset, count(*) as files, sum(rows)::bigint as rows, sum(bytes)::bigint as bytes
    from drayage.lake_files where added_by = ${run} group by dataset order by dataset`.execute(db);
  const datasets = found.published ? rows : [];
  return { root: found.root, manifest: datasets.length > 0 ? found.manifest : null, datasets };
}
