import { open, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { DrayageError, fileUnreadable, isForbidden } from '../../base/errors.ts';
import { LocalFiles } from '../../store/local.ts';
import type { Container, SessionFile } from './container.ts';
import { dumb } from './dumb.ts';
import { exported } from './exported.ts';
import { GDBM_MAGICS, gdbm } from './gdbm.ts';
import { SQLITE_MAGIC, sqlite } from './sqlite.ts';

/** Found in a folder; what belongs to a session or lies beside it is not one. */
const IN_FOLDER = /\.session(\.dat|\.db)?$/;
/** Password hashes and tokens: these are never read, whatever a pattern matches. */
const SECRET = /\.users\.json$/i;
const BESIDE = /(\.(dir|bak|lock)|-(wal|shm|journal))$/i;

/** A session as it was found on disk. */
export interface FoundSession extends SessionFile {
  container: Container;
  /** Sizes and times of all its files, to see that none of them changes. */
  pins: string;
  bytes: number;
}

/** A path that is to be a session. */
export interface FoundPath {
  path: string;
  /** Why it is not read. */
  problem?: DrayageError;
}

/**
 * The paths of all sessions, sorted.
 * @param paths files, folders or globs, relative to the root
 * @throws SOURCE_MISSING, SOURCE_UNREADABLE for a folder, and SOURCE_INVALID for a file that is never imported
 */
export async function findPaths(paths: readonly string[], root: string, signal: AbortSignal): Promise<FoundPath[]> {
  const found = new Map<string, FoundPath>();
  for (const path of paths) {
    if (SECRET.test(path)) throw secret(path);
    const matches = await expand(path, root, signal);
    if (matches.length === 0) throw missing(path, root);
    for (const match of matches) found.set(match.path, match);
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function expand(path: string, root: string, signal: AbortSignal): Promise<FoundPath[]> {
  // A shelf of dbm.dumb is opened by the name that its files have in common.
  if (!(await isFile(resolve(root, path))) && (await isFile(resolve(root, `${path}.dat`)))) {
    return [{ path: `${path}.dat` }];
  }
  const matches: FoundPath[] = [];
  const wanted = (name: string) => IN_FOLDER.test(name);
  for await (const match of new LocalFiles(root, false).find(path, { wanted, signal })) {
    if (match.path !== path && (SECRET.test(match.path) || BESIDE.test(match.path))) continue;
    matches.push({ path: match.path, ...(match.problem ? { problem: stray(match.path, match.problem) } : {}) });
  }
  return matches;
}

/** @param cause that it is a link which leads out of its folder */
function stray(path: string, cause: DrayageError): DrayageError {
  return new DrayageError(cause.code, cause.message, {
    where: { file: path },
    hint: 'Give the path of the session itself, or put it there in place of the link.',
    cause,
  });
}

const isFile = async (absolute: string) => (await stat(absolute).catch(() => undefined))?.isFile() ?? false;

/** @throws SOURCE_MISSING, and SOURCE_INVALID that says what the file is instead of a session */
export async function findSession(path: string, root: string): Promise<FoundSession> {
  const absolute = resolve(root, path);
  const head = await readHead(absolute).catch((cause) => {
    throw missing(path, root, cause);
  });
  const container = await containerOf(path, absolute, head);
  const companions = await companionsOf(container, absolute);
  const pins: unknown[] = [];
  let bytes = 0;
  for (const part of [absolute, ...companions]) {
    const { size, mtimeMs } = await stat(part).catch((cause) => {
      throw missing(path, root, cause);
    });
    pins.push([basename(part), size, mtimeMs]);
    bytes += size;
  }
  return { path, absolute, companions, container, pins: JSON.stringify(pins), bytes };
}

async function readHead(absolute: string): Promise<Buffer> {
  const handle = await open(absolute);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(64), 0, 64, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function containerOf(path: string, absolute: string, head: Buffer): Promise<Container> {
  const text = head.toString('latin1');
  if (text.startsWith(SQLITE_MAGIC)) return sqlite;
  if (head.length >= 4 && GDBM_MAGICS.includes(head.readUInt32LE())) return gdbm;
  // An empty shelf of dbm.dumb is an empty file.
  if (/\.dat$/i.test(path) && (await isFile(indexOf(absolute)))) return dumb;
  if (/\.json$/i.test(path) && /^(\xef\xbb\xbf)?\s*[[{]/.test(text)) return exported;
  throw new DrayageError('SOURCE_INVALID', `${path} ${diagnose(path, head, text)}`, {
    hint: 'A session is a shelf of Python (GDBM, SQLite, or dbm.dumb with its .dat and .dir), or a JSON export.',
  });
}

/** Other beginnings of GDBM files: https://www.gnu.org.ua/software/gdbm/manual/Compatibility.html */
const OTHER_GDBM = [0x13579acd, 0x13579ace, 0x13579ad0];
/** The beginning of a Berkeley DB hash, which `dbm.ndbm` makes on some systems. */
const BERKELEY = 0x00061561;

function diagnose(path: string, head: Buffer, text: string): string {
  if (head.length === 0) return 'is empty';
  const [little, big] = head.length >= 4 ? [head.readUInt32LE(), head.readUInt32BE()] : [0, 0];
  if (OTHER_GDBM.includes(little) || [...GDBM_MAGICS, ...OTHER_GDBM].includes(big)) {
    return 'is a GDBM file of a 32-bit or big-endian machine; make another one of it with gdbm_dump and gdbm_load';
  }
  if (little === BERKELEY || big === BERKELEY) return 'is a Berkeley DB; copy it into a new shelf with Python';
  if (/\.dat$/i.test(path)) return 'has no index: the file that ends in .dir is missing beside it';
  if (text.startsWith('version https://git-lfs')) return 'is a Git LFS pointer; fetch the file with "git lfs pull"';
  if (/^\s*<(!doctype|html)/i.test(text)) return 'is an HTML page';
  return 'is no session';
}

const indexOf = (absolute: string) => absolute.replace(/\.dat$/i, '.dir');

async function companionsOf(container: Container, absolute: string): Promise<string[]> {
  if (container === dumb) return [indexOf(absolute)];
  if (container !== sqlite) return [];
  const logs = [`${absolute}-wal`, `${absolute}-journal`];
  const sizes = await Promise.all(logs.map(async (log) => (await stat(log).catch(() => undefined))?.size ?? 0));
  return logs.filter((_, place) => sizes[place]! > 0);
}

function secret(path: string): DrayageError {
  return new DrayageError('SOURCE_INVALID', `${path} holds password hashes and tokens, and is never imported`, {
    hint: 'Give the path of the session itself.',
  });
}

function missing(path: string, root: string, cause?: unknown): DrayageError {
  if (isForbidden(cause)) return fileUnreadable(path, cause);
  const what = /[*?{[]/.test(path) ? 'No session matches' : 'There is no session';
  return new DrayageError('SOURCE_MISSING', `${what} ${path}`, {
    hint: `Relative paths start at ${root}. Check the path, or give another one with --param.`,
    cause,
  });
}
