import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { createPool } from '../../../src/postgres/pool.ts';
import type { Finished, TestProject } from '../../helpers/project.ts';
import type { Random } from './random.ts';
import { Relay } from './relay.ts';
import type { PrivateServer } from './server.ts';
import { until } from './until.ts';

const DRAY = join(import.meta.dirname, '../../../src/cli/bin.js');
const WORKER = join(import.meta.dirname, '../../../workers/worker.ts');
/** How much of what a process says is kept for the account of a failure. */
const LINES_KEPT = 400;
/**
 * A lease as short as this is not to be had of pg-boss, which demands ten seconds. The proofs give it to the jobs by
 * hand: it makes them harder, and spares most of the waiting.
 */
const SHORT_LEASE_SECONDS = 6;

/** Where proofs take place, one after the other. */
export interface Place {
  server: PrivateServer;
  project: TestProject;
  short: boolean;
}

/** A process with a relay of its own between it and the database. */
export class RelayedProcess {
  readonly relay: Relay;
  readonly #child: ChildProcess;
  readonly exited: Promise<number | null>;

  constructor(child: ChildProcess, relay: Relay, say: (line: string) => void) {
    this.#child = child;
    this.relay = relay;
    child.stdout?.resume();
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.trimEnd().split('\n')) say(`[${child.pid}] ${line}`);
    });
    this.exited = new Promise((resolve) => child.on('close', (code) => resolve(code)));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  send(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.send('SIGKILL');
    await this.exited;
    await this.relay.close();
  }

  /** @returns the exit code */
  async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<number | null> {
    this.send(signal);
    const code = await this.exited;
    await this.relay.close();
    return code;
  }
}

/** All that one proof has for itself: a database, a home, and processes that work on them. */
export class World {
  readonly server: PrivateServer;
  readonly project: TestProject;
  readonly random: Random;
  readonly database: string;
  readonly home: string;
  /** Whether this is the test's form of a proof, which may do less. */
  readonly short: boolean;
  readonly workers: RelayedProcess[] = [];
  /** What its processes find in their environment beside what all have. */
  readonly given: NodeJS.ProcessEnv = {};
  /** What was done and said, for the account of a failure. */
  readonly said: string[] = [];
  /** What was done to the processes, in short. */
  readonly faults: string[] = [];
  #pool: pg.Pool;

  private constructor({ server, project, short }: Place, random: Random, database: string) {
    this.server = server;
    this.project = project;
    this.random = random;
    this.short = short;
    this.database = database;
    this.home = join(project.root, 'homes', database);
    this.#pool = this.#openPool();
  }

  static async open(place: Place, random: Random): Promise<World> {
    const { server } = place;
    const database = `proof_${randomBytes(6).toString('hex')}`;
    await withAdmin(server, (admin) => admin.query(`create database ${database}`));
    const world = new World(place, random, database);
    await mkdir(world.home, { recursive: true });
    return world;
  }

  note(what: string): void {
    this.said.push(`${new Date().toISOString()} ${what}`);
    if (this.said.length > LINES_KEPT) this.said.shift();
  }

  /** Notes a fault as it is injected. */
  inflict(fault: string): void {
    this.faults.push(fault);
    this.note(`FAULT ${fault}`);
  }

  /** Asks the server itself, past all relays. */
  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.#pool.query<Row>(text, values)).rows;
  }

  async withClient<Result>(use: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
    const client = await this.#pool.connect();
    try {
      return await use(client);
    } finally {
      client.release();
    }
  }

  /** What a process of this world finds in its environment. @param port of a relay */
  env(port?: number): NodeJS.ProcessEnv {
    return { ...this.given, DATABASE_URL: this.server.url(this.database, port), DRAYAGE_HOME: this.home };
  }

  dray(...args: string[]): Promise<Finished> {
    return this.project.dray(args, this.env());
  }

  /** @returns the run's number @throws what `dray` said when it did not end well */
  async enqueue(job: string, ...args: string[]): Promise<number> {
    const { code, stdout, stderr } = await this.dray('enqueue', job, '--json', ...args);
    if (code !== 0) throw new Error(`dray enqueue ended with ${code}: ${stderr}`);
    await this.setLeases();
    return JSON.parse(stdout).run;
  }

  async migrate(): Promise<void> {
    const { code, stderr } = await this.dray('db', 'up');
    if (code !== 0) throw new Error(`dray db up ended with ${code}: ${stderr}`);
  }

  async restartServer(): Promise<void> {
    await this.#pool.end();
    await this.server.restart();
    this.#pool = this.#openPool();
  }

  /** Also for jobs to come: workers bring the queue's settings up to date when they start. */
  async setLeases(seconds = SHORT_LEASE_SECONDS): Promise<void> {
    await this.query(`
      create or replace function set_lease() returns trigger language plpgsql as $$
      begin new.heartbeat_seconds = ${seconds}; return new; end $$;
      create or replace trigger set_lease before update on pgboss.queue for each row execute function set_lease();
      update pgboss.queue set heartbeat_seconds = heartbeat_seconds;
      update pgboss.job set heartbeat_seconds = ${seconds} where state < 'active'`);
  }

  async startWorker(env: NodeJS.ProcessEnv = {}): Promise<RelayedProcess> {
    const worker = await this.#start([WORKER], env);
    this.workers.push(worker);
    return worker;
  }

  /** Starts `dray` with a relay between it and the database. */
  startProcess(args: readonly string[]): Promise<RelayedProcess> {
    return this.#start([DRAY, ...args], {});
  }

  async startWorkers(count: number, env: NodeJS.ProcessEnv = {}): Promise<RelayedProcess[]> {
    return Promise.all(Array.from({ length: count }, () => this.startWorker(env)));
  }

  /** Waits until a worker is at work on the run, so that a fault hits something. */
  async untilBusy(run: number, done = 0): Promise<void> {
    await until('workers are at work', async () => {
      const [at] = await this.query<{ busy: boolean }>(
        `select partitions_done >= $2 and (partitions_running > 0 or finished_at is not null) as busy
         from drayage.runs where id = $1`,
        [run, done],
      );
      return at?.busy;
    });
  }

  async untilEnded(run: number, timeoutMs = 60_000): Promise<void> {
    const ended = async () => {
      const [found] = await this.query<{ ended: boolean }>(
        'select finished_at is not null as ended from drayage.runs where id = $1',
        [run],
      ).catch(() => []);
      return found?.ended;
    };
    await until(`run ${run} has ended`, ended, { timeoutMs, everyMs: 50 });
  }

  /** Stops all workers as a platform does. @throws unless each ends well */
  async stopWorkers(): Promise<void> {
    const alive = this.workers.filter(({ isRunning }) => isRunning);
    const codes = await Promise.all(alive.map((worker) => worker.stop()));
    if (codes.some((code) => code !== 0)) throw new Error(`workers ended with ${codes.join(', ')}`);
  }

  async #start(command: readonly string[], env: NodeJS.ProcessEnv): Promise<RelayedProcess> {
    const relay = await Relay.open(() => this.server.port);
    const child = spawn(process.execPath, command, {
      cwd: this.project.root,
      env: { ...this.project.env, ...this.env(relay.port), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const started = new RelayedProcess(child, relay, (line) => this.note(line));
    this.note(`${started.pid} started: ${command.slice(1).join(' ') || 'a worker'}`);
    return started;
  }

  #openPool(): pg.Pool {
    return createPool(this.server.url(this.database), { max: 2, applicationName: 'proof' });
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.filter(({ isRunning }) => isRunning).map((worker) => worker.kill()));
    await this.#pool.end();
    await withAdmin(this.server, (admin) => admin.query(`drop database ${this.database} with (force)`));
    await rm(this.home, { recursive: true, force: true });
  }
}

async function withAdmin<Result>(server: PrivateServer, use: (pool: pg.Pool) => Promise<Result>): Promise<Result> {
  const pool = createPool(server.url('drayage'), { max: 1, applicationName: 'proof setup' });
  try {
    return await use(pool);
  } finally {
    await pool.end();
  }
}
