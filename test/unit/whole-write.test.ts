import { type FileHandle, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeWhole } from '../../src/base/whole-write.ts';

test('a system that takes fewer bytes at a time gets them all, in their place', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drayage-write-'));
  const path = join(folder, 'file');
  const file = await open(path, 'w');
  const sparing = {
    write: (bytes: Uint8Array, offset: number, length: number, position: number) =>
      file.write(bytes, offset, Math.min(length, 3), position),
  };
  await writeWhole(sparing as unknown as FileHandle, Buffer.from('drayage'), 2);
  await file.close();
  expect(await readFile(path, 'utf8')).toBe('\0\0drayage');
  await rm(folder, { recursive: true });
});
