import { sql } from 'kysely';
import type { ControlDb } from './db.ts';
import type { RunProgress } from './views.ts';

export interface RunFilter {
  states?: readonly string[];
  job?: string | undefined;
  /** Found in the job's name, the parameters or the error; or the number of a run. */
  search?: string | undefined;
  /** Only runs older than this one. */
  before?: number | undefined;
}

export interface ListedRun extends RunProgress {
  started_at: Date | null;
  finished_at: Date | null;
  /** What the latest verification came to, if there was one. */
  verified: boolean | null;
  verified_at: Date | null;
}

const COLUMNS = sql`
  r.*, v.ok as verified, v.verified_at
  from drayage.run_progress r
  left join lateral (
    select ok, verified_at from drayage.verifications where run_id = r.run order by id desc limit 1
  ) v on true`;

/** Runs, the newest first. */
export async function listRuns(db: ControlDb, filter: RunFilter, limit: number): Promise<ListedRun[]> {
  const { states = [], job, search, before } = filter;
  const conditions = [
    ...(states.length > 0 ? [sql`r.state = any (${states}::text[])`] : []),
    ...(job ? [sql`r.job = ${job}`] : []),
    ...(before ? [sql`r.run < ${before}`] : []),
    ...(search ? [matches(search)] : []),
  ];
  const where = conditions.length > 0 ? sql`where ${sql.join(conditions, sql` and `)}` : sql``;
  const { rows } = await sql<ListedRun>`select ${COLUMNS} ${where} order by r.run desc limit ${limit}`.execute(db);
  return rows;
}

export async function listedRun(db: ControlDb, run: number): Promise<ListedRun | undefined> {
  const { rows } = await sql<ListedRun>`select ${COLUMNS} where r.run = ${run}`.execute(db);
  return rows[0];
}

function matches(search: string) {
  const pattern = likePattern(search);
  const number = /^#?(\d{1,15})$/.exec(search)?.[1];
  const byNumber = number === undefined ? sql`` : sql`or r.run = ${Number(number)}`;
  return sql`(r.job ilike ${pattern} or r.params::text ilike ${pattern} or r.error ilike ${pattern} ${byNumber})`;
}

/** For a LIKE that looks for the text itself, wherever it stands. */
export function likePattern(text: string): string {
  return `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`;
}

/** The latest run of each job. */
export async function latestRuns(db: ControlDb): Promise<ListedRun[]> {
  const { rows } = await sql<ListedRun>`
    select ${COLUMNS} where r.run = any (array(select max(id) from drayage.runs group by job)) order by r.job`.execute(
    db,
  );
  return rows;
}

/** How many runs are in each state that is not an end, and how many ended badly within a day. */
export async function runStates(db: ControlDb): Promise<{ state: string; runs: number; rows_per_second: number }[]> {
  const { rows } = await sql<{ state: string; runs: number; rows_per_second: number }>`
    select state, count(*) as runs, sum(rows_per_second) as rows_per_second from drayage.run_progress
    where state in ('planning', 'queued', 'running', 'paused', 'finalizing')
      or (state = 'failed' and finished_at > now() - interval '1 day')
    group by state`.execute(db);
  return rows;
}
