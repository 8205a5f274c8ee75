import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestProject } from '../helpers/project.ts';

let project: TestProject;
beforeEach(async () => {
  // A folder of mode 0700, as mkdtemp makes it: when the tests run as root, the server's user cannot pass through it.
  project = await TestProject.create();
});
afterEach(async () => {
  await rm(outside(), { recursive: true, force: true });
  await project.remove();
});

/** Where the server lives when its user cannot reach the project. */
function outside(): string {
  const hash = createHash('sha256').update(join(project.root, '.drayage')).digest('hex');
  return `/var/tmp/drayage-${hash.slice(0, 12)}`;
}

test('several commands share one server, and the last one to leave shuts it down', async () => {
  const all = await Promise.all([1, 2, 3].map(() => project.dray(['db', 'up', '--json'])));
  expect(all.map(({ code }) => code)).toEqual([0, 0, 0]);
  const started = all.filter(({ stderr }) => stderr.includes('Embedded Postgres started'));
  expect(started.length).toBeGreaterThanOrEqual(1);
  const again = await project.dray(['status']);
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('no runs yet') });
  expect(again.stderr).toMatch(/Embedded Postgres started: postgresql:\/\/postgres:\*\*\*@127\.0\.0\.1:\d+/);
});

test('a server whose user was killed is found running, and one that was killed itself is recovered', async () => {
  const open = project.spawn(['db', 'open']);
  const [line] = await open.stdout.setEncoding('utf8').take(1).toArray();
  expect(line).toMatch(/^psql 'postgresql:\/\/postgres:\w+@127\.0\.0\.1:\d+\/drayage'/);
  open.kill('SIGKILL');
  const next = await project.dray(['db', 'up']);
  expect(next).toMatchObject({ code: 0, stderr: '' });

  const held = project.spawn(['db', 'open']);
  const [url] = await held.stdout.setEncoding('utf8').take(1).toArray();
  const port = /:(\d+)\//.exec(url)![1]!;
  const pid = await postmasterOf(port);
  process.kill(pid, 'SIGKILL');
  held.kill('SIGKILL');
  await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
  const recovered = await project.dray(['status', '--json']);
  expect(recovered.code).toBe(0);
  expect(recovered.stderr).toContain('Embedded Postgres recovered');
});

/** The process that listens on the port, by the file that the server keeps in its data folder. */
async function postmasterOf(port: string): Promise<number> {
  const { stdout } = await project.dray(['doctor', '--json']);
  expect(JSON.parse(stdout)).toBeInstanceOf(Array);
  for (const folder of [join(project.root, '.drayage/postgres/data'), join(outside(), 'data')]) {
    const lines = (await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
    if (lines[3] === port) return Number(lines[0]);
  }
  throw new Error(`no server on port ${port}`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
