import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const REPOSITORY = join(import.meta.dirname, '../..');
const DRAY = join(REPOSITORY, 'src/cli/bin.js');

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A project folder of its own, with jobs, DDL and input as a user would have them. */
export class TestProject {
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;

  private constructor(root: string, databaseUrl: string | undefined) {
    this.root = root;
    const { DATABASE_URL: _, NO_COLOR: __, ...env } = process.env;
    this.env = { ...env, ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}) };
  }

  /** @param databaseUrl left out: the project's own embedded Postgres */
  static async create(databaseUrl?: string): Promise<TestProject> {
    const root = await mkdtemp(join(tmpdir(), 'drayage-project-'));
    await mkdir(join(root, 'jobs'));
    await mkdir(join(root, 'node_modules'));
    // Jobs import the package by its name; in a link the TypeScript sources stay outside node_modules.
    await symlink(REPOSITORY, join(root, 'node_modules/drayage'), 'dir');
    await writeFile(join(root, 'package.json'), '{ "type": "module" }');
    return new TestProject(root, databaseUrl);
  }

  async write(path: string, content: string | Uint8Array): Promise<string> {
    const file = join(this.root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    return file;
  }

  /** Starts `dray` as a process of its own. */
  spawn(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    return spawn(process.execPath, [DRAY, ...args], { cwd: this.root, env: { ...this.env, ...env }, stdio: 'pipe' });
  }

  /** Runs `dray` to its end. */
  async dray(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
    const child = this.spawn(args, env);
    const [stdout, stderr, code] = await Promise.all([
      child.stdout.setEncoding('utf8').toArray(),
      child.stderr.setEncoding('utf8').toArray(),
      new Promise<number | null>((resolve) => child.on('close', resolve)),
    ]);
    return { code, stdout: stdout.join(''), stderr: stderr.join('') };
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}
