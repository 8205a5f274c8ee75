import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type BulkJob, enqueueBulk } from '../harness/bulk.ts';
import { assertLargeFailed, assertRestLoads } from '../harness/oracle-bulk.ts';
import type { Scenario } from './scenario.ts';

const execute = promisify(execFile);

/** Far too little for what a large partition leaves on disk, and enough for the small ones. */
const DISK_MB = 4;
/** So little memory that DuckDB has to spill. */
const SCARCE = { DRAYAGE_DUCKDB_MEMORY_MB: '128', DRAYAGE_CONCURRENCY: '1' };

/** What fills the disk. */
const WAYS: Record<string, BulkJob> = {
  'DuckDB spills what it sorts': 'sort',
  'a file is written down in another form': 'elements',
  'rows wait for their table': 'records',
};

export const fullDisk: Scenario = {
  name: 'full-disk',
  fault: 'the disk for temporary files runs full',
  runs: 6,
  shortRuns: 1,
  async prove(world) {
    const [way, job] = world.random.pick(Object.entries(WAYS));
    const run = await enqueueBulk(world, job);
    await onDisk(join(world.home, 'small'), async (home) => {
      world.inflict(way);
      await world.startWorkers(2, { ...SCARCE, DRAYAGE_HOME: home });
      await world.untilEnded(run);
      await assertLargeFailed(world, run, { code: 'SPOOL_FULL', says: /disk for temporary files is full.*large-\d/s });
      await world.stopWorkers();
      const left = await readdir(home, { recursive: true, withFileTypes: true });
      assert.deepEqual(
        left.filter((entry) => entry.isFile()).map(({ name }) => name),
        [],
        'a temporary file was left behind',
      );
    });
    // Side by side, and in the same folder.
    await assertRestLoads(world, run, SCARCE);
  },
  async impossible() {
    const folder = await mkdtemp(join(tmpdir(), 'drayage-disk-'));
    try {
      await onDisk(folder, async () => undefined);
      return undefined;
    } catch {
      return 'a small disk cannot be mounted here';
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** Mounts a small disk for as long as `use` takes. */
async function onDisk(folder: string, use: (folder: string) => Promise<void>): Promise<void> {
  await mkdir(folder, { recursive: true });
  await execute('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'drayage-proof', folder]);
  try {
    await use(folder);
  } finally {
    await execute('umount', ['--lazy', folder]);
  }
}
