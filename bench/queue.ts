import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { joinEmbedded } from '../src/postgres/embedded.ts';
import { createPool } from '../src/postgres/pool.ts';
import { writeQueueProject } from './queue-project.ts';

/**
 * What the queue costs: enqueueing very many partitions, looking at their progress, and carrying out partitions that
 * hold next to nothing. Every producer and worker is a process of its own.
 */
const { values: given } = parseArgs({
  options: {
    partitions: { type: 'string', default: '1000000' },
    workers: { type: 'string', default: '8' },
    only: { type: 'string', multiple: true },
  },
});
const wanted = (name: 'tiny' | 'slow' | 'many') => !given.only || given.only.includes(name);
const PARTITIONS = Number(given.partitions);
const WORKERS = Number(given.workers);
const TINY = 20_000;
const SLOW = 960;
const LATENCY_MS = 100;

const root = join(import.meta.dirname, '../.drayage/bench-queue');
await mkdir(join(root, 'node_modules'), { recursive: true });
await symlink(join(import.meta.dirname, '..'), join(root, 'node_modules/drayage'), 'dir').catch(() => undefined);
await writeQueueProject(root);
const embedded = await joinEmbedded(join(root, '.drayage'));
const admin = createPool(embedded.url, { max: 1, applicationName: 'dray bench' });
await admin.query('drop database if exists bench_queue with (force)');
await admin.query('create database bench_queue');
const url = embedded.url.replace(/\/drayage$/, '/bench_queue');
const pool = createPool(url, { max: 2, applicationName: 'dray bench' });

interface Ended {
  code: number | null;
  seconds: number;
  peakMb: number;
  stdout: string;
}

function dray(...args: string[]): ChildProcess {
  const bin = join(import.meta.dirname, '../src/cli/bin.js');
  const env = { ...process.env, DATABASE_URL: url, DRAYAGE_LOG_LEVEL: 'error' };
  return spawn(process.execPath, [bin, ...args], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
}

async function run(...args: string[]): Promise<Ended> {
  const startedMs = performance.now();
  const child = dray(...args);
  let peakMb = 0;
  const watch = setInterval(() => {
    peakMb = Math.max(peakMb, peakOf(child.pid!));
  }, 50);
  const [stdout, [code]] = await Promise.all([child.stdout!.setEncoding('utf8').toArray(), once(child, 'exit')]);
  clearInterval(watch);
  return { code, seconds: (performance.now() - startedMs) / 1000, peakMb, stdout: stdout.join('') };
}

/** The largest resident memory that a process has had so far, in MB. */
function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

const enqueue = async (count: number, mark: string, latency = 0) => {
  const params = [`count=${count}`, `latency=${latency}`, `mark=${mark}`].flatMap((param) => ['--param', param]);
  const ended = await run('enqueue', 'ticks', ...params, '--json');
  if (ended.code !== 0) throw new Error(`enqueue ended with ${ended.code}`);
  return { ...ended, run: JSON.parse(ended.stdout).run as number };
};

const one = async <Row extends pg.QueryResultRow>(query: string, values: unknown[] = []) =>
  (await pool.query<Row>(query, values)).rows[0]!;

async function untilEnded(id: number): Promise<void> {
  for (;;) {
    const { ended } = await one<{ ended: boolean }>(
      'select finished_at is not null as ended from drayage.runs where id = $1',
      [id],
    );
    if (ended) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Seconds from the first claim to the last commit. */
const spanOf = async (id: number) =>
  (
    await one<{ seconds: number }>(
      `select extract(epoch from max(ended_at) - min(started_at))::float8 as seconds from drayage.attempts where run_id = $1`,
      [id],
    )
  ).seconds;

async function withWorkers<Result>(count: number, work: () => Promise<Result>): Promise<Result> {
  const workers = Array.from({ length: count }, () => dray('work'));
  for (const worker of workers) worker.stdout!.resume();
  for (;;) {
    const { alive } = await one<{ alive: number }>(
      `select count(*)::int as alive from drayage.workers where state = 'alive'`,
    );
    if (alive === count) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  try {
    return await work();
  } finally {
    for (const worker of workers) worker.kill('SIGTERM');
    await Promise.all(workers.map((worker) => (worker.exitCode === null ? once(worker, 'exit') : undefined)));
  }
}

const lines: [string, string, string][] = [];
const tell = (what: string, value: string, bound = '') => {
  lines.push([what, value, bound]);
  console.error(`${what.padEnd(52)}${value.padStart(24)}   ${bound}`);
};
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;

await run('db', 'up');

if (wanted('tiny'))
  await withWorkers(1, async () => {
    await untilEnded((await enqueue(100, 'warm')).run);
    const toClaim: number[] = [];
    for (let round = 0; round < 5; round++) {
      const { run: id } = await enqueue(1, `claim${round}`);
      await untilEnded(id);
      const { ms } = await one<{ ms: number }>(
        `select extract(epoch from min(a.started_at) - e.at)::float8 * 1000 as ms from drayage.attempts a
       join drayage.events e on e.run_id = a.run_id and e.action = 'enqueued' where a.run_id = $1 group by e.at`,
        [id],
      );
      toClaim.push(ms);
    }
    tell('from enqueue to the first claim', `${median(toClaim).toFixed(0)} ms`);

    const tiny = await enqueue(TINY, 'tiny');
    await untilEnded(tiny.run);
    const seconds = await spanOf(tiny.run);
    tell(`${TINY} tiny partitions, one worker, packed`, `${((seconds * 1000) / TINY).toFixed(2)} ms each`);
    const { packs } = await one<{ packs: number }>(
      'select count(distinct pack)::int as packs from drayage.partitions where run_id = $1',
      [tiny.run],
    );
    tell('partitions in a transaction', (TINY / packs).toFixed(0));
  });

if (wanted('slow')) {
  const spans = new Map<number, number>();
  for (const workers of [1, WORKERS]) {
    await withWorkers(workers, async () => {
      // Modules are loaded with the first partition.
      await untilEnded((await enqueue(workers * 4, `warm${workers}`, LATENCY_MS)).run);
      const slow = await enqueue(SLOW, `slow${workers}`, LATENCY_MS);
      await untilEnded(slow.run);
      spans.set(workers, await spanOf(slow.run));
    });
  }
  const speedUp = spans.get(1)! / spans.get(WORKERS)!;
  tell(`${SLOW} partitions of ${LATENCY_MS} ms: 1 worker to ${WORKERS}`, `${speedUp.toFixed(1)} x`, '>= 7 x');
}

if (wanted('many')) {
  const many = await enqueue(PARTITIONS, 'many');
  tell(`enqueue ${PARTITIONS}`, `${(PARTITIONS / many.seconds).toFixed(0)} /s`, '>= 15000 /s');
  tell('memory of the producer', `${many.peakMb.toFixed(0)} MB`, '<= 200 MB');

  const progress: number[] = [];
  for (let round = 0; round < 50; round++) {
    const startedMs = performance.now();
    await pool.query('select * from drayage.run_progress where run = $1', [many.run]);
    progress.push(performance.now() - startedMs);
  }
  tell('run_progress of that run', `${median(progress).toFixed(2)} ms`, '< 10 ms');
  tell('dray status of that run', `${((await run('status', String(many.run))).seconds * 1000).toFixed(0)} ms`);
  const paused = await run('pause', String(many.run));
  tell('dray pause of that run', `${(paused.seconds * 1000).toFixed(0)} ms`);
  const cancelled = await run('cancel', String(many.run));
  tell('dray cancel of that run', `${cancelled.seconds.toFixed(1)} s`);
}

console.log('| measure | value | bound |\n|---|---|---|');
for (const line of lines) console.log(`| ${line.join(' | ')} |`);
await pool.end();
await admin.query('drop database bench_queue with (force)');
await admin.end();
await embedded.leave();
