import duckdb from '@duckdb/node-bindings';
import { DrayageError } from '../base/errors.ts';
import { DuckConnection } from './connection.ts';
import { Turn, Turns } from './turns.ts';
import { quoteLiteral } from './types.ts';

export interface DuckOptions {
  memoryMb: number;
  /** As far as that may grow for a partition that needs more; left out: not at all. */
  mostMemoryMb?: number;
  threads: number;
  /** Where sorts and aggregations that outgrow the memory go; empty: nowhere. */
  spillDirectory: string;
  /** What may lie there, in MB; left out: most of what is free. */
  spillMb?: number;
  /**
   * Folders that are all it reads and writes from then on; no setting can be changed any more, nothing attached outside
   * of memory, and no extension installed or loaded. Left out: anything goes.
   */
  confinedTo?: readonly string[];
  /** What a footer says of very many columns takes as long to read as the values of a few. Left out: it forgets. */
  remembersFooters?: boolean;
}

/** For questions of people: the first rows of a sorted table are read whole when it is known which they are. */
const ASKED = { late_materialization_max_rows: '10000' };

/** Free memory that goes back to the system at once, and that is kept while files are written. */
const [GIVEN_BACK_MB, KEPT_MB] = [1, 12];

/** How much more memory the next attempt gets when there was too little. */
const GROWTH = 3;

/**
 * One DuckDB per process, in memory, without network and without extensions beyond those built in. An internal error
 * poisons a DuckDB instance for every later query, so the next connection after one gets a fresh instance.
 */
export class Duck {
  readonly #options: DuckOptions;
  #database: Promise<duckdb.Database> | undefined;
  #memoryMb: number;
  readonly #turns = new Turns();
  /** Free memory that is kept for somebody, in MB. */
  readonly #kept: number[] = [];
  readonly #apart = new Map<string, { duck: Duck; users: number }>();

  constructor(options: DuckOptions) {
    this.#options = options;
    this.#memoryMb = options.memoryMb;
  }

  /** What there is at the moment. */
  get memoryMb(): number {
    return this.#memoryMb;
  }

  async connect(): Promise<DuckConnection> {
    this.#database ??= this.#open();
    const connection = await duckdb.connect(await this.#database);
    const memoryMb = this.#memoryMb;
    if (memoryMb !== this.#options.memoryMb) await duckdb.query(connection, `set memory_limit = '${memoryMb}MB'`);
    return new DuckConnection(connection, () => {
      this.#database = undefined;
    });
  }

  /**
   * As `use`, for a partition, which takes its turn to read when memory is short.
   * @param needMb what it is known to take; 0 when nothing is known
   */
  async useInTurn<Result>(
    needMb: number,
    work: (connection: DuckConnection, turn: Turn) => Promise<Result>,
  ): Promise<Result> {
    const turn = new Turn(this.#turns, needMb, this);
    const memoryMb = this.#memoryMb;
    try {
      return await this.use(async (connection) => {
        // What is ready of a result waits beside the memory that is limited.
        await connection.execute(`set streaming_buffer_size = '64kB'`);
        return work(connection, turn);
      });
    } catch (error) {
      if (error instanceof DrayageError && error.code === 'OUT_OF_MEMORY') this.#makeRoom(turn.crowded, memoryMb);
      throw error;
    } finally {
      await turn.giveBack();
    }
  }

  /**
   * For the next attempt, and others like it: partitions that are too large side by side are read one after the other,
   * and one that is too large alone gets more memory.
   * @param memoryMb what there was: several that ran out together ask for the same
   */
  #makeRoom(crowded: boolean, memoryMb: number): void {
    if (crowded) this.#turns.sideBySide = 1;
    else this.#grow(memoryMb * GROWTH);
  }

  #grow(memoryMb: number): void {
    const mostMb = this.#options.mostMemoryMb ?? 0;
    this.#memoryMb = Math.max(this.#memoryMb, Math.round(Math.min(memoryMb, mostMb)));
  }

  /** The same for a partition that ran out of memory somewhere else. @param times that it has failed */
  makeRoomFor(times: number): void {
    this.#turns.sideBySide = 1;
    this.#grow(this.#options.memoryMb * GROWTH ** (times - 1));
  }

  /** Raises the limit for work that is known to need so much. */
  async reserve(connection: DuckConnection, memoryMb: number): Promise<void> {
    if (memoryMb <= this.#memoryMb) return;
    this.#memoryMb = memoryMb;
    await connection.execute(`set memory_limit = '${memoryMb}MB'`);
  }

  /**
   * For work that needs the same memory again and again: what is free meanwhile is kept instead of going back to the
   * system and coming from there again, which takes a third of the time.
   */
  async keepingMemory<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.keep(KEPT_MB);
    try {
      return await work();
    } finally {
      await this.keepNoMore(KEPT_MB);
    }
  }

  /** Begins to keep so much of what is free, until `keepNoMore`. */
  async keep(mb: number): Promise<void> {
    this.#kept.push(mb);
    await this.#settleKept();
  }

  async keepNoMore(mb: number): Promise<void> {
    this.#kept.splice(this.#kept.indexOf(mb), 1);
    await this.#settleKept();
    await this.letGo();
  }

  async #settleKept(): Promise<void> {
    const mb = Math.max(GIVEN_BACK_MB, ...this.#kept);
    const set = `set global allocator_bulk_deallocation_flush_threshold = '${mb}MB'`;
    await this.use((connection) => connection.execute(set)).catch(() => undefined);
  }

  /** The allocator holds on to what is free in each thread; setting the limit makes it let go. */
  async letGo(): Promise<void> {
    const free = `set memory_limit = '${this.#memoryMb}MB'`;
    await this.use((connection) => connection.execute(free)).catch(() => undefined);
  }

  /**
   * A DuckDB that remembers what the footers of Parquet files say, and goes away with all of it when nobody uses it.
   * @param name those who give the same share one
   */
  async apart<Result>(name: string, work: (own: Duck) => Promise<Result>): Promise<Result> {
    const options = { memoryMb: this.#memoryMb, threads: this.#options.threads, spillDirectory: '' };
    const apart = this.#apart.get(name) ?? { duck: new Duck({ ...options, remembersFooters: true }), users: 0 };
    this.#apart.set(name, apart);
    apart.users++;
    try {
      return await work(apart.duck);
    } finally {
      apart.users--;
      if (apart.users === 0) {
        this.#apart.delete(name);
        await apart.duck.close();
      }
    }
  }

  async use<Result>(work: (connection: DuckConnection) => Promise<Result>): Promise<Result> {
    const connection = await this.connect();
    try {
      return await work(connection);
    } finally {
      connection.close();
    }
  }

  async close(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    if (database) duckdb.close_sync(await database);
  }

  #open(): Promise<duckdb.Database> {
    const { threads, spillDirectory, spillMb } = this.#options;
    const config = duckdb.create_config();
    const settings = {
      memory_limit: `${this.#memoryMb}MB`,
      threads: String(threads),
      temp_directory: spillDirectory,
      ...(spillMb === undefined ? {} : { max_temp_directory_size: `${spillMb}MB` }),
      // What a row group needed goes back to the system when it is done, instead of when 128 MB have come together.
      allocator_flush_threshold: '1MB',
      allocator_bulk_deallocation_flush_threshold: `${GIVEN_BACK_MB}MB`,
      // It believes what a file says of its own columns: where a footer denies its nulls, they would count as values.
      disabled_optimizers: 'statistics_propagation',
      // Sparse files are filled while they are open; what was read from a hole must not be remembered.
      enable_external_file_cache: 'false',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    };
    for (const [name, value] of Object.entries(this.#options.confinedTo ? { ...settings, ...ASKED } : settings))
      duckdb.set_config(config, name, value);
    return duckdb.open(':memory:', config).then((database) => this.#settle(database));
  }

  /** What can only be set once it is open. */
  async #settle(database: duckdb.Database): Promise<duckdb.Database> {
    const { confinedTo, remembersFooters } = this.#options;
    const connection = await duckdb.connect(database);
    if (remembersFooters) await duckdb.query(connection, 'set global parquet_metadata_cache = true');
    // Naive timestamps must not depend on where a worker runs.
    await duckdb.query(connection, `set global TimeZone = 'UTC'`);
    if (confinedTo) {
      const folders = confinedTo.map((folder) => quoteLiteral(folder)).join(', ');
      await duckdb.query(connection, `set allowed_directories = [${folders}]`);
      await duckdb.query(connection, 'set enable_external_access = false');
      await duckdb.query(connection, 'set lock_configuration = true');
    }
    duckdb.disconnect_sync(connection);
    return database;
  }
}
