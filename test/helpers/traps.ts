import { afterAll } from 'vitest';
import type { RunReport } from '../../src/runs/report.ts';
import { writeParquet } from './duck.ts';
import { openDrayage } from './in-process.ts';
import { useWorkspace, type Workspace } from './workspace.ts';

/** What a trap is tried with: a job of its own into a table of its own, which has the job's name. */
export interface Trap {
  /** Creates the table. */
  ddl?: string;
  /** The rows of `<name>.parquet`, as DuckDB makes them. */
  rows?: string;
  /** Written to `<name>.jsonl` line by line, in place of `rows`. */
  lines?: readonly string[];
  /** What is loaded, when it is not the file that was written. */
  path?: string;
  /** As it stands in the job file. */
  options?: string;
  transform?: string;
  target?: string;
}

/** Jobs through the real queue and a worker, all in this process and in one database: quick, for many small loads. */
export class Traps {
  readonly #at: Workspace;
  readonly #drayage: Awaited<ReturnType<typeof openDrayage>>;

  private constructor(at: Workspace, drayage: Awaited<ReturnType<typeof openDrayage>>) {
    this.#at = at;
    this.#drayage = drayage;
  }

  /** @param use gets them before the first test of the file */
  static use(use: (traps: Traps, at: Workspace) => unknown): void {
    let drayage: Awaited<ReturnType<typeof openDrayage>> | undefined;
    useWorkspace(async (at) => {
      drayage = await openDrayage(at.project.root, at.database.url);
      await use(new Traps(at, drayage), at);
    });
    afterAll(() => drayage?.close());
  }

  /** Writes the job and its file. */
  async prepare(name: string, trap: Trap): Promise<void> {
    const { ddl, rows, lines, options, transform, target = '{}' } = trap;
    const { duck, database, project } = this.#at;
    const path = trap.path ?? `${name}.${lines ? 'jsonl' : 'parquet'}`;
    if (ddl) await database.pool.query(ddl);
    if (rows) await writeParquet(duck, rows, `${project.root}/${name}.parquet`);
    if (lines) await project.write(`${name}.jsonl`, lines.join('\n'));
    await project.write(
      `jobs/${name}.ts`,
      `import { defineJob, files, sql, table } from 'drayage';
       export default defineJob({
         name: '${name}', description: 'Test', source: () => files('${path}'${options ? `, ${options}` : ''}),
         ${transform ? `transform: sql\`${transform}\`,` : ''} targets: { ${name}: table(${target}) },
       });`,
    );
  }

  /** @throws what enqueueing refuses */
  async load(name: string, trap: Trap): Promise<RunReport> {
    await this.prepare(name, trap);
    return this.#drayage.run(name, {});
  }

  /** Runs a job that was prepared once more. */
  again(name: string): Promise<RunReport> {
    return this.#drayage.run(name, {});
  }

  async select(query: string): Promise<Record<string, unknown>[]> {
    return (await this.#at.database.pool.query(query)).rows;
  }

  /** The rejects of a run, in the order of their rows. */
  rejects(report: RunReport): Promise<Record<string, unknown>[]> {
    return this.select(`
      select row_number::int as row, column_name as column, reason, message, raw from drayage.rejects
      where run_id = ${report.run} order by row_number`);
  }
}
