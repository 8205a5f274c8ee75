import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

/**
 * Rules of the house that a compiler does not know: which folder may import which, where each dependency lives, how
 * long a file may be.
 */
const ROOT = join(import.meta.dirname, '..');

/** From the ground up; a file may import from its own folder and from lower layers. */
const LAYERS: readonly (readonly string[])[] = [
  ['src/base'],
  ['src/arrow'],
  ['src/duckdb', 'src/postgres', 'src/store'],
  ['src/model'],
  ['src/sources', 'src/transforms', 'src/sinks', 'src/queue', 'src/control', 'src/ledger', 'src/lake'],
  ['src/runs'],
  ['src/web'],
  ['src/cli', 'src/index.ts'],
  ['workers', 'jobs', 'bench'],
];

/** Folders that may import a package's values; types may be named anywhere. */
const HOMES: Record<string, readonly string[]> = {
  '@duckdb/node-bindings': ['src/duckdb'],
  'apache-arrow': ['src/arrow'],
  'apache-arrow/ipc/metadata/file': ['src/arrow'],
  pg: ['src/postgres'],
  'proper-lockfile': ['src/postgres'],
  'pg-boss': ['src/queue'],
  kysely: ['src/postgres', 'src/control'],
  pino: ['src/base'],
  'pino-pretty': ['src/base'],
  commander: ['src/cli'],
  fastify: ['src/web'],
  '@fastify/cookie': ['src/web'],
  '@fastify/rate-limit': ['src/web'],
  '@fastify/static': ['src/web'],
  'prom-client': ['src/runs'],
  '@opentelemetry/api': ['src/base'],
  '@aws-sdk/client-s3': ['src/store'],
  '@aws-sdk/lib-storage': ['src/store'],
  '@aws-sdk/client-dynamodb': ['src/store', 'jobs/samples'],
  yaml: ['src/sources', 'src/lake'],
  marked: ['src/sources'],
  drayage: ['jobs', 'bench'],
  fauxqs: ['bench'],
};

const LONGEST_FILE = 300;
const UNFINISHED = new RegExp(`\\b(${['TO', 'DO'].join('')}|FIX${'ME'}|XX${'X'}|HA${'CK'})\\b`);

interface Import {
  from: string;
  /** A path below the root, or a package's name. */
  to: string;
  typeOnly: boolean;
  /** Loaded when the code runs into it, not with its module. */
  dynamic: boolean;
}

const files = ['src', 'workers', 'jobs', 'bench'].flatMap((folder) => list(folder));
const imports = files.flatMap(importsOf);

function list(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[tj]s$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const statements = text.matchAll(
    /(?:^|\n)(?:import|export)\s+(type\s)?([^;'"]*?)\s*from\s+'([^']+)'|import\('([^']+)'\)|new Worker\(new URL\('([^']+)'/g,
  );
  return [...statements].map(([, type, names = '', fixed, dynamic, thread]) => {
    const target = (fixed ?? dynamic ?? thread)!;
    const inner = names.match(/^\{([^}]*)\}$/)?.[1];
    const allTypes = inner?.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type ')) ?? false;
    const to = target.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), target)) : target;
    return { from: file, to, typeOnly: type !== undefined || allTypes, dynamic: dynamic !== undefined };
  });
}

const isLocal = ({ to }: Import) => files.includes(to);
const layerOf = (file: string) => LAYERS.findIndex((folders) => folders.some((folder) => within(file, folder)));
const folderOf = (file: string) => LAYERS.flat().find((folder) => within(file, folder));
const within = (file: string, folder: string) => file === folder || file.startsWith(`${folder}/`);
const told = ({ from, to }: Import) => `${from} → ${to}`;

describe('imports', () => {
  test('run downwards, and never between siblings', () => {
    const wrong = imports.filter(isLocal).filter(({ from, to }) => {
      if (folderOf(from) === folderOf(to)) return false;
      return layerOf(to) >= layerOf(from);
    });
    expect(wrong.map(told)).toEqual([]);
  });

  test('lead to files that exist', () => {
    const wrong = imports.filter(({ to }) => /\.[tj]s$/.test(to)).filter((one) => !isLocal(one));
    expect(wrong.map(told)).toEqual([]);
  });

  test('make no circle', () => {
    const edges = Map.groupBy(imports.filter(isLocal), ({ from }) => from);
    const done = new Set<string>();
    const visit = (file: string, trail: readonly string[]): string[] | undefined => {
      if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
      if (done.has(file)) return undefined;
      for (const { to } of edges.get(file) ?? []) {
        const circle = visit(to, [...trail, file]);
        if (circle) return circle;
      }
      done.add(file);
      return undefined;
    };
    expect(files.map((file) => visit(file, [])).filter(Boolean)).toEqual([]);
  });

  test('load nothing heavy before a command is known', () => {
    const reached = new Set(['src/cli/main.ts']);
    for (const file of reached) {
      for (const { from, to, typeOnly, dynamic } of imports) {
        if (from === file && !typeOnly && !dynamic && !to.startsWith('node:')) reached.add(to);
      }
    }
    const light = (to: string) => within(to, 'src/cli') || within(to, 'src/base') || within(to, 'src/model');
    expect([...reached].filter((to) => !light(to))).toEqual(['commander']);
  });

  test('keep each dependency in its folder', () => {
    const packages = imports.filter(({ to, typeOnly }) => !typeOnly && !to.startsWith('node:') && !/\.[tj]s$/.test(to));
    const wrong = packages.filter(({ from, to }) => !HOMES[to]?.some((home) => within(from, home)));
    expect(wrong.map(told)).toEqual([]);
  });
});

describe('files', () => {
  test('all have their layer', () => {
    expect(files.filter((file) => layerOf(file) === -1)).toEqual([]);
  });

  test(`have at most ${LONGEST_FILE} lines`, () => {
    const long = files.filter((file) => readFileSync(join(ROOT, file), 'utf8').split('\n').length > LONGEST_FILE);
    expect(long).toEqual([]);
  });

  test('are all used', () => {
    const entries = [
      'src/index.ts',
      'src/cli/bin.js',
      'workers/worker.ts',
      'workers/warm.ts',
      'workers/web.ts',
      'src/web/assets/app.js',
      'bench/load.ts',
      'bench/loader.ts',
      'bench/queue.ts',
      'bench/lake-queries.ts',
      'bench/sources.ts',
      'bench/lake.ts',
      'bench/lake-alone.ts',
      'bench/web.ts',
    ];
    const used = new Set([...entries, ...imports.map(({ to }) => to)]);
    const isJob = (file: string) => /^(jobs|bench\/jobs)\//.test(file);
    expect(files.filter((file) => !used.has(file) && !isJob(file))).toEqual([]);
  });

  test('leave nothing for later', () => {
    expect(files.filter((file) => UNFINISHED.test(readFileSync(join(ROOT, file), 'utf8')))).toEqual([]);
  });

  test('exit and read the environment only where a process begins', () => {
    const allowed = /^(src\/cli|src\/base\/(config|lifecycle)\.ts|workers|bench|jobs\/samples)/;
    const wrong = files.filter((file) => {
      return !allowed.test(file) && /process\.(exit\(|env\b)/.test(readFileSync(join(ROOT, file), 'utf8'));
    });
    expect(wrong).toEqual([]);
  });
});
