import { execFileSync } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { rows as query } from '../../src/duckdb/scan.ts';
import { filesOnDisk, manifests, queryLake } from '../helpers/lake-files.ts';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

let { project }: Partial<Workspace> = {};
const duck = useWorkspace((opened) => {
  ({ project } = opened);
});

test('a disk that is full fails what finds no room there, publishes nothing, and leaves nothing behind', async ({
  skip,
}) => {
  const disk = join(project!.root, 'disk');
  await mkdir(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=777', 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    skip('a disk of its own cannot be mounted here, which takes root');
  }
  try {
    await mkdir(join(project!.root, 'in'));
    for (const [name, rows] of Object.entries({ small: 10, large: 500_000 })) {
      const made = `select i as id, md5(i::varchar) as token from range(${rows}) t(i)`;
      await duck.use((connection) => query(connection, `copy (${made}) to '${project!.root}/in/${name}.parquet'`));
    }
    await project!.write(
      'jobs/full.ts',
      `import { defineJob, files, lake } from 'drayage';
export default defineJob({ name: 'full', description: 'Test', retries: 0, source: () => files('in'),
  targets: { token: lake({ root: 'disk/lake', compression: 'none' }) } });`,
    );
    const { code, stdout } = await project!.dray(['run', 'full', '--json']);
    expect({ code, report: JSON.parse(stdout) }).toMatchObject({
      code: 1,
      report: {
        state: 'failed',
        partitions: { done: 1, failed: 1 },
        errors: [{ code: 'STORE_FULL', partition: /large/, message: /There is no room left to write/ }],
        lake: { manifest: null },
      },
    });
    const root = join(disk, 'lake');
    expect(await manifests(root)).toEqual([]);
    expect(await filesOnDisk(root)).toEqual([expect.stringMatching(/^token\/job_/)]);
    expect(await readdir(join(root, '_staging'))).toEqual([]);
    // When there is room, what was missing follows, and all of it is published.
    execFileSync('mount', ['-o', 'remount,size=200m', disk]);
    expect((await project!.dray(['run', 'full'])).code).toBe(0);
    expect(await queryLake(duck, root, 'token', 'select count(*)::int as rows from lake')).toEqual([{ rows: 500_010 }]);
  } finally {
    execFileSync('umount', ['-l', disk]);
  }
}, 60_000);
