import type pg from 'pg';
import { DrayageError, locate } from '../../base/errors.ts';
import { findRun, type Run } from '../../control/runs.ts';
import { keepVerification, randomPartitions, unaccountedPartitions } from '../../control/verifications.ts';
import type { Route } from '../../model/route.ts';
import { quoteIdentifier } from '../../postgres/catalog.ts';
import { Checksum } from '../../postgres/checksum.ts';
import { copyOut } from '../../postgres/copy-out.ts';
import { transaction } from '../../postgres/tx.ts';
import { loadJob } from '../load-jobs.ts';
import { withSourceContext } from '../plan.ts';
import { type PreparedJob, prepareJob } from '../prepare.ts';
import { settledRoutes } from '../routes.ts';
import { assertTarget, type Services } from '../services.ts';
import { compareByKeys, type KeyFindings, TOLD } from './keys.ts';
import { loadHistory } from './loads.ts';
import { type ReadRun, RunReader } from './reader.ts';
import { countsOf, type Verification, type VerificationMethod } from './report.ts';
import { Comparisons, chooseRows, isOfSource, loadedColumns } from './rows.ts';

export interface VerifyOptions {
  /** Rows of the source that are looked up one by one, whatever the sums say. */
  sample: number;
  signal: AbortSignal;
}

const VERIFIABLE = ['succeeded', 'completed_with_rejects', 'failed', 'cancelled'];
/**
 * Proves that what a run has read is in its tables, bit for bit. First by sums, in one scan; when the tables hold other
 * rows too, or something is wrong, the source is read again and compared row by row.
 * @throws RUN_NOT_FOUND, VERIFY_REFUSED for a run that is not at its end, JOB_CHANGED
 */
export async function verifyRun(services: Services, id: number, options: VerifyOptions): Promise<Verification> {
  const { db, target } = services;
  const startedMs = performance.now();
  const run = await findRun(db, id);
  if (!run) throw new DrayageError('RUN_NOT_FOUND', `There is no run ${id}`);
  if (!VERIFIABLE.includes(run.state)) {
    throw new DrayageError('VERIFY_REFUSED', `Run ${id} is ${run.state}`, {
      hint: 'A run can be verified when it has ended; "dray status" shows how far it is.',
    });
  }
  await assertTarget(services, run);
  const loads = await loadHistory(services);
  const opened = { id, prepared: await jobOf(services, run) };
  if (opened.prepared.lake) {
    throw new DrayageError('VERIFY_REFUSED', `The rows of run ${id} are in a lake`, {
      where: { job: run.job, run: id },
      hint: `Its manifest has the checksum of every file; "dray query --lake ${opened.prepared.lake.root}" asks what is in them.`,
    });
  }
  const found = await withSourceContext(services, options.signal, (context) =>
    transaction(
      target,
      async (client) => {
        // One moment for everything that is looked at, whatever others write meanwhile.
        await client.query('set transaction isolation level repeatable read');
        const routes = await settledRoutes(client, opened.prepared.targets);
        return verify(services, client, new RunReader(db, loads, context), run, { ...opened, routes }, options.sample);
      },
      options.signal,
    ),
  ).catch((error) => {
    throw locate(error, { job: run.job, run: id });
  });
  const verification = { ...found, seconds: Math.round(performance.now() - startedMs) / 1000 };
  await keepVerification(db, id, { ok: found.ok, method: found.method, report: verification });
  return verification;
}

/** @throws JOB_CHANGED */
async function jobOf({ config }: Services, run: Run): Promise<PreparedJob> {
  const loaded = await loadJob(config.root, run.job_path);
  if (loaded.version !== run.job_version) {
    throw new DrayageError('JOB_CHANGED', `The job ${run.job} has changed since run ${run.id}`, {
      hint: 'Restore its definition, or run the job again and verify that run.',
    });
  }
  return prepareJob(loaded, run.params as Record<string, unknown>);
}

async function verify(
  services: Services,
  client: pg.PoolClient,
  reader: RunReader,
  run: Run,
  opened: ReadRun,
  wanted: number,
): Promise<Omit<Verification, 'seconds'>> {
  const notes: string[] = [];
  const note = (text: string) => void notes.push(text);
  const { source, target, tables, method } = await compareSums(client, reader, opened);
  const openLater = async (id: number): Promise<ReadRun> => {
    const prepared = await jobOf(services, (await findRun(reader.db, id))!);
    return { id, prepared, routes: await settledRoutes(client, prepared.targets) };
  };
  const read = { ...opened, unchanged: run.rows_unchanged };
  const byKeys = method === 'keys' ? await compareByKeys(client, reader, read, openLater, note) : undefined;
  const sample = await compareSample(client, reader, opened, wanted, byKeys);
  const unaccounted = await unaccountedPartitions(reader.db, run.id);
  const unloaded = run.partitions_failed + run.partitions_cancelled;
  if (unloaded > 0) note(`${unloaded} of the run's partitions were not loaded: that counts as a difference`);
  const partitions = [...reader.problems, ...(byKeys?.partitions ?? [])];
  return {
    run: run.id,
    job: run.job,
    ok: partitions.length + unaccounted.length + unloaded + sample.different === 0,
    method,
    counts: { ...countsOf(run), tables, unaccounted },
    checksum: { source, target },
    partitions,
    differences: byKeys?.differences ?? [],
    sample,
    notes,
  };
}

/** One scan of every table, against what the run and the ledger say. */
async function compareSums(client: pg.PoolClient, reader: RunReader, run: ReadRun) {
  const columns = await columnsOf(reader, run);
  const sum = new Checksum();
  const tables: Verification['counts']['tables'] = [];
  for (const [index, { table }] of run.routes.entries()) {
    const list = columns[index]!.map(quoteIdentifier).join(', ');
    const rows = await copyOut(client, `select ${list} from ${table.sql}`, (bytes, view, start, end) =>
      sum.add(bytes, view, start, end),
    );
    tables.push({ table: table.sql, rows });
  }
  const oids = run.routes.map(({ table }) => table.oid);
  const target = sum.toString();
  const source = total(await reader.loads.sourceChecksums(run.id, oids));
  const isLedger = source !== target && total(await reader.loads.ledgerChecksums(oids)) === target;
  const method: VerificationMethod = source === target ? 'whole' : isLedger ? 'ledger' : 'keys';
  return { source, target, tables, method };
}

/** What the load writes into each table; all that can be written when no partition can be opened any more. */
async function columnsOf(reader: RunReader, run: ReadRun): Promise<string[][]> {
  for await (const source of reader.sources(run)) {
    try {
      return await loadedColumns(source);
    } catch (error) {
      if (!isOfSource(error)) throw error;
    }
  }
  const writable = ({ table }: Route) => table.columns.filter(({ generated }) => !generated);
  return run.routes.map((route) => writable(route).map(({ name }) => name));
}

/** Rows of the source by chance, looked up by key and compared field by field. */
async function compareSample(
  client: pg.PoolClient,
  reader: RunReader,
  run: ReadRun,
  wanted: number,
  byKeys: KeyFindings | undefined,
): Promise<Verification['sample']> {
  const partitions = wanted > 0 ? await randomPartitions(reader.db, run.id, wanted) : [];
  const comparisons = new Comparisons(client, 'sample');
  const each = Math.ceil(wanted / (partitions.length || 1));
  let checked = 0;
  for (const [index, partition] of partitions.entries()) {
    const count = Math.min(each, wanted - index * each);
    if (count <= 0) break;
    const source = await reader.sourceOf(run, partition);
    await reader.tolerate(source, async () => {
      const rows = await chooseRows(source, count);
      checked += await comparisons.add(source, 'judge', { rows });
    });
  }
  await comparisons.settle('judge');
  // A row may have been replaced by a later one, which the comparison of all rows knows.
  for (const comparison of comparisons.all()) {
    const whole = byKeys?.comparisons.find(({ table }) => table.oid === comparison.table.oid);
    if (whole) await comparison.confirm(whole);
  }
  const different = (await comparisons.counts()).reduce((sum, { rows }) => sum + rows, 0);
  return { checked, different, differences: await reader.named(await comparisons.differences(TOLD)) };
}

function total(checksums: readonly string[]): string {
  const sum = new Checksum();
  for (const checksum of checksums) sum.addSum(checksum);
  return sum.toString();
}
