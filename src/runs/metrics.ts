import { Counter, Gauge, Registry } from 'prom-client';
import { type DurationBucket, type JobSummary, type Metrics, readMetrics } from '../control/metrics.ts';
import { deadLetters } from '../queue/depth.ts';
import type { Services } from './services.ts';

/** What goes with the text as its content type. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

const PARTITION_STATES = ['pending', 'running', 'done', 'skipped', 'failed', 'cancelled'] as const;
const ROWS = {
  read: 'Rows read from sources',
  written: 'Rows written to tables',
  unchanged: 'Rows that were in the table already, and equal',
  superseded: 'Rows followed by a later one of the same key',
  rejected: 'Rows kept aside as rejects',
  deleted: 'Rows deleted by merges',
} as const;
const WORKER_STATES = ['alive', 'draining', 'lost', 'stopped'];
const DURATION = 'drayage_partition_duration_seconds';

/**
 * The state of all runs in Prometheus's text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/), read from the control database's views at every call:
 * whichever process is asked, the answer is the same, and it outlives them all. Counters start again when runs are
 * deleted, which Prometheus takes for a restart.
 */
export async function renderMetrics({ db, pool }: Pick<Services, 'db' | 'pool'>): Promise<string> {
  const [metrics, dead] = await Promise.all([readMetrics(db), deadLetters(pool)]);
  const registry = new Registry();
  const registers = [registry];
  addRuns(registers, metrics);
  addRows(registers, metrics.jobs);
  addQueue(registers, metrics, dead);
  registry.registerMetric(durationHistogram(metrics.durations) as unknown as Gauge);
  return registry.metrics();
}

function addRuns(registers: Registry[], { jobs }: Metrics): void {
  const runs = gauge(registers, 'drayage_runs', 'Runs by how they stand', ['job', 'state']);
  const partitions = gauge(registers, 'drayage_partitions', 'Partitions of all runs by state', ['job', 'state']);
  const finished = gauge(
    registers,
    'drayage_last_finish_timestamp_seconds',
    'When a run ended last, however it ended, as a Unix timestamp',
    ['job'],
  );
  const succeeded = gauge(
    registers,
    'drayage_last_success_timestamp_seconds',
    'When a run succeeded last, without a reject, as a Unix timestamp',
    ['job'],
  );
  for (const summary of jobs) {
    const { job } = summary;
    runs.set({ job, state: 'open' }, summary.runs_open);
    runs.set({ job, state: 'succeeded' }, summary.runs_succeeded);
    runs.set({ job, state: 'completed_with_rejects' }, summary.runs_with_rejects);
    runs.set({ job, state: 'failed' }, summary.runs_failed);
    for (const state of PARTITION_STATES) partitions.set({ job, state }, summary[`partitions_${state}`]);
    if (summary.last_finished_at) finished.set({ job }, unixSeconds(summary.last_finished_at));
    if (summary.last_success_at) succeeded.set({ job }, unixSeconds(summary.last_success_at));
  }
}

function addRows(registers: Registry[], jobs: readonly JobSummary[]): void {
  for (const [what, help] of Object.entries(ROWS) as [keyof typeof ROWS, string][]) {
    const rows = counter(registers, `drayage_rows_${what}_total`, help);
    for (const summary of jobs) rows.inc({ job: summary.job }, summary[`rows_${what}`]);
  }
  const bytes = counter(registers, 'drayage_bytes_read_total', 'Bytes of the partitions that were loaded');
  for (const { job, bytes_read } of jobs) bytes.inc({ job }, bytes_read);
}

function addQueue(registers: Registry[], { jobs, workers }: Metrics, dead: number): void {
  const depth = gauge(registers, 'drayage_queue_depth', 'Queue jobs that wait for a worker', ['queue']);
  const total = (column: 'partitions_pending' | 'runs_finalizing') => jobs.reduce((sum, job) => sum + job[column], 0);
  depth.set({ queue: 'partitions' }, total('partitions_pending'));
  depth.set({ queue: 'finalize' }, total('runs_finalizing'));
  depth.set({ queue: 'dead_letter' }, dead);
  const present = gauge(registers, 'drayage_workers', 'Worker processes of the last day by state', ['state']);
  for (const state of WORKER_STATES) present.set({ state }, 0);
  for (const { state, workers: number } of workers) present.set({ state }, number);
}

/** A histogram of prom-client only counts what it observes itself; this one was counted by the database. */
function durationHistogram(durations: readonly DurationBucket[]) {
  const values: { metricName: string; labels: Record<string, string | number>; value: number }[] = [];
  for (const series of Map.groupBy(durations, ({ job, state }) => JSON.stringify([job, state])).values()) {
    const { job, state } = series[0]!;
    let partitions = 0;
    for (const bucket of series) {
      partitions += bucket.partitions;
      const le = bucket.le === Number.POSITIVE_INFINITY ? '+Inf' : bucket.le;
      values.push({ metricName: `${DURATION}_bucket`, labels: { job, state, le }, value: partitions });
    }
    const seconds = series.reduce((sum, bucket) => sum + bucket.seconds, 0);
    values.push({ metricName: `${DURATION}_sum`, labels: { job, state }, value: seconds });
    values.push({ metricName: `${DURATION}_count`, labels: { job, state }, value: partitions });
  }
  const help = 'How long the attempt took that ended a partition';
  return { name: DURATION, get: async () => ({ name: DURATION, help, type: 'histogram', values, aggregator: 'sum' }) };
}

function gauge<Label extends string>(registers: Registry[], name: string, help: string, labelNames: Label[]) {
  return new Gauge({ name, help, labelNames, registers });
}

function counter(registers: Registry[], name: string, help: string) {
  return new Counter({ name, help, labelNames: ['job'], registers });
}

function unixSeconds(at: Date): number {
  return at.getTime() / 1000;
}
