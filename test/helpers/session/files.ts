import type { Container, Entry, SessionFile } from '../../../src/sources/session/container.ts';
import { dumb } from '../../../src/sources/session/dumb.ts';
import { gdbm } from '../../../src/sources/session/gdbm.ts';
import { sqlite } from '../../../src/sources/session/sqlite.ts';

/** How a session of each container is opened, by the path that the sample writers are given. */
export const READERS = {
  gdbm: { container: gdbm, open: (path: string): SessionFile => ({ path, absolute: path, companions: [] }) },
  sqlite: { container: sqlite, open: (path: string): SessionFile => ({ path, absolute: path, companions: [] }) },
  dumb: {
    container: dumb,
    open: (path: string): SessionFile => ({ path, absolute: `${path}.dat`, companions: [`${path}.dir`] }),
  },
} satisfies Record<string, { container: Container; open: (path: string) => SessionFile }>;

export async function entriesOf(name: keyof typeof READERS, path: string, scratch: string): Promise<Entry[]> {
  const { container, open } = READERS[name];
  return Array.fromAsync(container.entries(open(path), scratch));
}
