import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../src/base/config.ts';
import { resolveParams } from '../src/model/params.ts';
import type { Boss } from '../src/queue/boss.ts';
import { enqueue } from '../src/runs/enqueue.ts';
import { loadJob } from '../src/runs/load-jobs.ts';
import { prepareJob } from '../src/runs/prepare.ts';
import type { Services } from '../src/runs/services.ts';
import type { LoadAnswer } from './loader.ts';

/** A worker as it is deployed: a process of its own, with the environment of the Procfile. */
export class BenchWorker {
  peakRssMb = 0;
  readonly #process: ChildProcess;
  readonly #services: Services;
  readonly #boss: Boss;

  private constructor(process: ChildProcess, services: Services, boss: Boss) {
    this.#process = process;
    this.#services = services;
    this.#boss = boss;
  }

  static async start(services: Services, boss: Boss, config: Config): Promise<BenchWorker> {
    const child = fork(join(import.meta.dirname, 'loader.ts'), [config.root], {
      env: { ...process.env, ...(await procfileEnvironment()), DATABASE_URL: services.url },
    });
    await once(child, 'message');
    return new BenchWorker(child, services, boss);
  }

  /**
   * @param rows that there are; left out for records, whose rows only the job knows
   * @returns seconds from the start of planning to the commit of the last partition
   */
  async load(job: string, params: Record<string, string>, rows?: number): Promise<number> {
    const startedMs = performance.timeOrigin + performance.now();
    const ended = once(this.#process, 'message');
    const loaded = await loadJob(this.#services.config.root, job);
    const prepared = prepareJob(loaded, resolveParams(loaded.job, params, {}));
    await enqueue(this.#services, this.#boss, prepared, { force: true, signal: new AbortController().signal });
    const [answer] = (await ended) as [LoadAnswer];
    if (rows !== undefined && answer.rows !== rows) throw new Error(`${answer.rows} of ${rows} rows were read`);
    this.peakRssMb = Math.max(this.peakRssMb, answer.peakRssMb);
    return (answer.committedMs - startedMs) / 1000;
  }

  async stop(): Promise<void> {
    this.#process.disconnect();
    await once(this.#process, 'exit');
  }
}

/** The variables that the Procfile gives a worker. */
async function procfileEnvironment(): Promise<Record<string, string>> {
  const procfile = await readFile(join(import.meta.dirname, '../Procfile'), 'utf8');
  const line = /^worker: (.*)$/m.exec(procfile)![1]!;
  return Object.fromEntries([...line.matchAll(/\b([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name!, value!]));
}
