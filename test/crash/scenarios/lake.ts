import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { S3_ENV, type S3Server, startS3 } from '../../helpers/s3.ts';
import { addLakeJob, assertLake, copyOfS3 } from '../harness/lake.ts';
import type { Moment } from '../harness/relay.ts';
import { until } from '../harness/until.ts';
import type { RelayedProcess, World } from '../harness/world.ts';
import type { Scenario } from './scenario.ts';

const ENTER = 'insert into drayage.lake_files';
const DECIDE = 'set published_at = date_trunc';
const VERDICT = 'set "published" = ';

/** Moments of a partition, by what the worker says to the database. */
const PARTITION: Record<string, Moment> = {
  'it is about to note its files': { texts: ['insert into drayage.lake_puts'], hold: 'request' },
  'it has noted its files and put none': { texts: ['insert into drayage.lake_puts'], hold: 'answer' },
  'it has put its files and entered none': { texts: [ENTER], hold: 'request' },
  'it has entered its files': { texts: [ENTER], hold: 'answer' },
  'it is about to commit': { texts: [ENTER, 'commit\0'], hold: 'request' },
  'it has committed and does not know': { texts: [ENTER, 'commit\0'], hold: 'answer' },
};

/** Moments at the end of the run, before and after its manifest. */
const PUBLISH: Record<string, Moment> = {
  'it is about to decide on the manifest': { texts: [DECIDE], hold: 'request' },
  'it is about to commit what the manifest says': { texts: [DECIDE, 'commit\0'], hold: 'request' },
  'it has decided and does not know': { texts: [DECIDE, 'commit\0'], hold: 'answer' },
  'the manifest is there and not marked': { texts: [VERDICT], hold: 'request' },
  'it is about to commit the verdict': { texts: [VERDICT, 'commit\0'], hold: 'request' },
  'it has committed the verdict and does not know': { texts: [VERDICT, 'commit\0'], hold: 'answer' },
};

/** Waits for a moment, and kills all workers at it. */
type Fault = (workers: readonly RelayedProcess[]) => Promise<unknown>;

/** All workers go at once, as when their host does. */
async function killAll(workers: readonly RelayedProcess[]): Promise<void> {
  await Promise.all(workers.map((worker) => worker.kill()));
}

/** When one of the workers says this to the database. */
function saying(world: World, moments: Record<string, Moment>, skip: number): [string, Fault] {
  const [name, moment] = world.random.pick(Object.entries(moments));
  return [
    name,
    async (workers) => {
      await Promise.race(workers.map(({ relay }) => relay.reach({ ...moment, skip })));
      for (const { relay } of workers) relay.forget();
    },
  ];
}

function sometime(world: World): [string, Fault] {
  const delayMs = world.random.between(0, 2500);
  return [`after ${delayMs} ms`, () => sleep(delayMs)];
}

/** While a file is written that is not in its place yet. */
function staging(root: string): [string, Fault] {
  const seen = new Set(staged(root));
  const isFresh = () => staged(root).some((name) => name.endsWith('.parquet') && !seen.has(name));
  return ['a file is being staged', () => until('a file is staged', isFresh, { everyMs: 2 })];
}

function staged(root: string): string[] {
  const folder = join(root, '_staging');
  return existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String) : [];
}

/** Requests to S3 in the middle of which the workers die; `arrives` tells whether the server still gets it. */
const REQUESTS: Record<string, { method: string; url: RegExp; arrives: boolean }> = {
  'an upload begins': { method: 'POST', url: /\/token\/.*[?&]uploads/, arrives: true },
  'a part is sent': { method: 'PUT', url: /\/token\/.*partNumber/, arrives: true },
  'an upload was completed': { method: 'POST', url: /\/token\/.*uploadId=/, arrives: true },
  'an upload was about to be completed': { method: 'POST', url: /\/token\/.*uploadId=/, arrives: false },
  'a small file was put': { method: 'PUT', url: /\/token\/[^?]*(\?x-id=PutObject)?$/, arrives: true },
};
const MANIFEST: typeof REQUESTS = {
  'the manifest was about to be put': { method: 'PUT', url: /\/_manifest\//, arrives: false },
  'the manifest was put': { method: 'PUT', url: /\/_manifest\//, arrives: true },
};

function sending(world: World, server: S3Server, requests: typeof REQUESTS): [string, Fault] {
  const [name, { method, url, arrives }] = world.random.pick(Object.entries(requests));
  let left = requests === MANIFEST ? 0 : world.random.between(0, 2);
  return [
    name,
    async (workers) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.interfere((request) => {
        if (request.method !== method || !url.test(request.url) || left-- > 0) return undefined;
        for (const worker of workers) worker.send('SIGKILL');
        resolve();
        return arrives ? undefined : 'forbid';
      });
      await promise;
      server.interfere(undefined);
    },
  ];
}

/**
 * Kills all workers several times: while partitions are on their way, then while the run is published. A moment that does
 * not come any more spares its workers.
 */
async function killAgainAndAgain(world: World, run: number, faultOf: (atTheEnd: boolean) => [string, Fault]) {
  const { random } = world;
  const ended = world.untilEnded(run, 150_000);
  const over = ended.then(
    () => true,
    () => true,
  );
  const rounds = [...Array(random.between(1, 3)).fill(false), ...Array(random.between(0, 2)).fill(true)];
  // Whoever has nothing left to do would be stopped before it has begun.
  const isLeft = async () => {
    const found = await world.query('select from drayage.runs where id = $1 and finished_at is null', [run]);
    return found.length > 0;
  };
  for (const atTheEnd of rounds) {
    if (!(await isLeft())) break;
    const workers = await world.startWorkers(random.between(1, 2), { DRAYAGE_CONCURRENCY: '2' });
    const [name, fault] = faultOf(atTheEnd);
    const spared = await Promise.race([fault(workers).then(() => false), over]);
    if (spared) break;
    await killAll(workers);
    world.inflict(name);
  }
  if (await isLeft()) await world.startWorkers(2);
  await ended;
}

export const lake: Scenario = {
  name: 'lake',
  fault: 'kill -9 of all workers of a run into a lake: while they stage, put, enter and publish',
  runs: 50,
  shortRuns: 1,
  async prove(world) {
    const { project, random } = world;
    await addLakeJob(project);
    const root = join(world.home, 'lake');
    const run = await world.enqueue('away', '--param', `root=${root}`);
    await killAgainAndAgain(world, run, (atTheEnd) => {
      if (atTheEnd) return saying(world, PUBLISH, 0);
      const kind = random.next();
      if (kind < 0.2) return sometime(world);
      return kind < 0.5 ? staging(root) : saying(world, PARTITION, random.between(0, 2));
    });
    await assertLake(world, run, root);
  },
};

export const lakeInS3: Scenario = {
  name: 'lake-s3',
  fault: 'the same in S3, in the middle of what they send to it, too',
  runs: 50,
  shortRuns: 1,
  async prove(world) {
    const { project, random } = world;
    await addLakeJob(project);
    Object.assign(process.env, S3_ENV);
    const server = await startS3('cargo');
    try {
      Object.assign(world.given, server.env);
      const run = await world.enqueue('away', '--param', 'root=s3://cargo/lake');
      await killAgainAndAgain(world, run, (atTheEnd) => {
        if (random.next() < 0.6) return sending(world, server, atTheEnd ? MANIFEST : REQUESTS);
        return atTheEnd ? saying(world, PUBLISH, 0) : saying(world, PARTITION, random.between(0, 2));
      });
      await assertLake(world, run, await copyOfS3(world, server.endpoint, 'cargo', 'lake'));
    } finally {
      await server.stop();
    }
  },
};
