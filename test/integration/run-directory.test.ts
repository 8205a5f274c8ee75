import { chmod, mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { OpenRecords, PartitionPlan, SourceContext } from '../../src/model/source.ts';
import type { RunDirectory } from '../../src/sources/run-directory/directory.ts';
import { type RunDirectoriesOptions, runDirectories } from '../../src/sources/run-directory/index.ts';

let root: string;
let context: SourceContext;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'drayage-runs-'));
  await chmod(root, 0o755);
  context = { root, signal: new AbortController().signal } as SourceContext;
  await mkdir(join(root, 'runs'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function write(path: string, content: string | Uint8Array = '{}'): Promise<string> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}

const source = (options: Partial<RunDirectoriesOptions> = {}) => runDirectories({ path: 'runs', ...options });

async function plan(options: Partial<RunDirectoriesOptions> = {}): Promise<PartitionPlan[]> {
  return Array.fromAsync(source(options).enumerate(context));
}

async function read(partition: PartitionPlan, options: Partial<RunDirectoriesOptions> = {}) {
  const opened = (await source(options).open(partition, context)) as OpenRecords<RunDirectory>;
  const found = await Array.fromAsync(opened.records());
  await opened.assertUnchanged();
  await opened.close();
  return found;
}

test('each directory is a partition and one record, in the order of their names', async () => {
  for (const name of ['b', 'a-10', 'a-9', 'Ä'])
    await write(`runs/${name}/stage1/x.json`, '{"n": 12345678901234567890}');
  await write('runs/.hidden/x.json');
  await write('runs/loose.json');
  await mkdir(join(root, 'runs/empty'));
  const plans = await plan();
  expect(plans.map(({ key }) => key)).toEqual(['runs/a-10', 'runs/a-9', 'runs/b', 'runs/empty', 'runs/Ä']);
  expect(plans[0]).toMatchObject({ bytes: 27, file: 'runs/a-10' });
  const [record, ...others] = await read(plans[0]!, { expect: ['stage1/*.json', 'stage2/*.{json,md}'] });
  expect(others).toEqual([]);
  expect(record).toMatchObject({ row: 1, value: { name: 'a-10', warnings: ['stage2/*.{json,md} is missing'] } });
  const { value } = record as { value: RunDirectory };
  expect(JSON.stringify(value.file('stage1/x.json')!.json)).toBe('{"n":12345678901234567890}');
  expect(await read(plans[3]!)).toMatchObject([{ value: { files: [] } }]);
});

test('files are read by their names: JSON, Markdown, text, and those of no name not at all', async () => {
  await write('runs/a/one.json', '\ufeff[1]');
  await write('runs/a/two.md', '# T');
  await write('runs/a/three.txt', 'plain');
  await write('runs/a/logs/four.log', 'noise');
  const options = { read: { '*.json': 'json', '*.md': 'markdown', '*.txt': 'text' } } as const;
  const [before] = await plan(options);
  const [record] = await read(before!, options);
  expect(record).toMatchObject({
    value: {
      files: [
        { path: 'one.json', format: 'json', json: [1] },
        { path: 'three.txt', format: 'text', text: 'plain' },
        { path: 'two.md', format: 'markdown', text: '# T', markdown: { title: 'T' } },
      ],
    },
  });
  await write('runs/a/logs/four.log', 'more noise');
  expect((await plan(options))[0]!.fingerprint).toBe(before!.fingerprint);
});

test('a changed, a new, a renamed and a touched file change the one run that they belong to', async () => {
  for (const name of ['a', 'b']) await write(`runs/${name}/x.json`);
  const changes = [
    () => write('runs/a/x.json', '{ }'),
    () => write('runs/a/y.json'),
    () => rename(join(root, 'runs/a/y.json'), join(root, 'runs/a/z.json')),
    () => utimes(join(root, 'runs/a/x.json'), 1, 1),
  ];
  for (const change of changes) {
    const before = await plan();
    await change();
    const after = await plan();
    expect(after[0]!.fingerprint).not.toBe(before[0]!.fingerprint);
    expect(after[1]).toEqual(before[1]);
    await expect(read(before[0]!)).rejects.toThrow(expect.objectContaining({ code: 'SOURCE_CHANGED' }));
  }
  expect((await plan({ given: { owner: 'x' } }))[1]!.fingerprint).not.toBe((await plan())[1]!.fingerprint);
});

test('a file that changes while it is read fails its partition', async () => {
  await write('runs/a/x.json');
  const [partition] = await plan();
  const opened = await source().open(partition!, context);
  await write('runs/a/x.json', '{"later": 1}');
  await expect(opened.assertUnchanged()).rejects.toThrow(/changed after it was planned/);
});

test('a file that cannot be understood is a reject by itself', async () => {
  await write('runs/a/1.json', '{"half":');
  await write('runs/a/2.json', Buffer.from([0x22, 0xff, 0x22]));
  await write('runs/a/3.json', '3');
  const [partition] = await plan();
  expect(await read(partition!, { expect: ['1.json'] })).toMatchObject([
    { row: 1, value: { files: [{ path: '3.json' }], warnings: [] } },
    {
      row: 2,
      reason: 'invalid_json',
      message: expect.stringMatching(/^1\.json: /),
      raw: '{"file":"1.json","text":"{\\"half\\":"}',
    },
    { row: 3, reason: 'invalid_utf8', raw: '{"file":"2.json","base64":"Iv8i"}' },
  ]);
});

test('links inside of the folder are followed, those that leave it are refused, and so is what runs in a circle', async () => {
  await write('outside/secret.json');
  await write('runs/a/x.json', '1');
  await mkdir(join(root, 'runs/b'));
  await symlink(join(root, 'runs/a/x.json'), join(root, 'runs/b/y.json'));
  await mkdir(join(root, 'runs/c'));
  await symlink(join(root, 'outside/secret.json'), join(root, 'runs/c/y.json'));
  await symlink(join(root, 'outside'), join(root, 'runs/d'));
  await mkdir(join(root, 'runs/e'));
  await symlink('..', join(root, 'runs/e/up'));
  await mkdir(join(root, 'runs/f'));
  await symlink('nowhere', join(root, 'runs/f/y.json'));
  await mkdir(join(root, 'runs/g'));
  await symlink('../../outside', join(root, 'runs/g/folder'));
  const problems = (await plan()).map(({ key, problem }) => [
    key,
    problem?.code,
    problem?.message.replace(/^.*runs\//, ''),
  ]);
  expect(problems).toEqual([
    ['runs/a', undefined, undefined],
    ['runs/b', undefined, undefined],
    ['runs/c', 'SOURCE_INVALID', 'c/y.json is a link that leads out of the folder of the runs'],
    ['runs/d', 'SOURCE_INVALID', 'd is a link that leads out of the folder of the runs'],
    ['runs/e', 'SOURCE_INVALID', 'e has links that run in a circle'],
    ['runs/f', 'SOURCE_CHANGED', expect.stringMatching(/leads to nothing/)],
    ['runs/g', 'SOURCE_INVALID', 'g/folder is a link that leads out of the folder of the runs'],
  ]);
  const [, b] = await plan();
  expect(await read(b!)).toMatchObject([{ value: { files: [{ path: 'y.json', json: 1 }] } }]);
});

test('a directory that may not be read fails its own partition', async () => {
  await write('runs/a/x.json');
  await write('runs/b/x.json');
  await chmod(join(root, 'runs/b'), 0o000);
  const asRoot = process.getuid!() === 0;
  // For root nothing is forbidden.
  if (asRoot) process.seteuid!('nobody');
  try {
    const plans = await plan();
    expect(plans.map(({ problem }) => problem?.code)).toEqual([undefined, 'SOURCE_UNREADABLE']);
  } finally {
    if (asRoot) process.seteuid!(0);
    await chmod(join(root, 'runs/b'), 0o755);
  }
});

test('one run by its name; a wrong name and a wrong folder are told', async () => {
  for (const name of ['first', 'second']) await write(`runs/${name}/x.json`);
  expect((await plan({ only: 'second' })).map(({ key }) => key)).toEqual(['runs/second']);
  await expect(plan({ only: 'secnod' })).rejects.toThrow(/Did you mean "second"/);
  await expect(plan({ path: 'rnus' })).rejects.toThrow(expect.objectContaining({ code: 'SOURCE_MISSING' }));
});

test('many directories are planned with the memory of few', async () => {
  for (let run = 0; run < 4000; run++) await mkdir(join(root, `runs/run-${run}`));
  for await (const _ of source().enumerate(context)) break;
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  let most = 0;
  let count = 0;
  for await (const { key } of source().enumerate(context)) {
    if (++count % 1000 === 0) {
      globalThis.gc?.();
      most = Math.max(most, process.memoryUsage().heapUsed - before);
    }
    expect(key.startsWith('runs/run-')).toBe(true);
  }
  expect(count).toBe(4000);
  // About what the names alone take; a listing of all would be far more.
  expect(most).toBeLessThan(16 * 1024 * 1024);
});
