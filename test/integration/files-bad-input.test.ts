import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROW } from '../../src/model/source.ts';
import { files } from '../../src/sources/files.ts';
import type { FilesOptions } from '../../src/sources/format.ts';
import { Spool } from '../../src/store/spool.ts';
import { writeParquet } from '../helpers/duck.ts';
import { openContext, plansOf, readAll, readPlan } from '../helpers/read-source.ts';

let root: string;
let opened: Awaited<ReturnType<typeof openContext>>;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'drayage-bad-'));
  opened = await openContext(root);
});
afterAll(async () => {
  expect(await opened.spooled()).toEqual([]);
  await opened.close();
  await rm(root, { recursive: true });
});

async function write(name: string, content: string | Uint8Array): Promise<string> {
  await mkdir(dirname(join(root, name)), { recursive: true });
  await writeFile(join(root, name), content);
  return name;
}

async function read(name: string, options: FilesOptions = {}) {
  const source = files(name, options);
  const [plan] = await plansOf(source, opened.context);
  return readPlan(source, plan!, opened.context);
}

const rowsOf = async (name: string, options?: FilesOptions) => {
  const { rows, faults } = await read(name, options);
  const said = faults.map(({ row, reason, raw }) => [row, reason, JSON.parse(raw)]);
  return { rows: rows.map(({ [ROW]: row, ...rest }) => [Number(row), ...Object.values(rest)]), faults: said };
};

const typed = { columns: { a: 'INTEGER', b: 'VARCHAR' } };

describe('CSV', () => {
  test('ragged lines, bad quoting and wrong bytes are rejected by their line, and the rest is read', async () => {
    const csv = Buffer.concat([
      Buffer.from('a,b\n1,one\n2,two,too much\n3\n4,"fo"ur"\n5,fi"ve\n\n6,"s\nix"\nseven,x\n8,e'),
      Buffer.of(0xff),
      Buffer.from('\n9,"never closed\n10,ten\n11,e\rlf\n'),
    ]);
    const { rows, faults } = await rowsOf(await write('bad.csv', csv), typed);
    expect(rows).toEqual([
      [2, 1, 'one'],
      [8, 6, 's\nix'],
      [13, 10, 'ten'],
    ]);
    expect(faults).toEqual([
      [3, 'ragged', '2,two,too much'],
      [4, 'ragged', '3'],
      [5, 'bad_quoting', '4,"fo"ur"'],
      [6, 'bad_quoting', '5,fi"ve'],
      [11, 'invalid_utf8', { base64: Buffer.from([...Buffer.from('8,e'), 0xff]).toString('base64') }],
      [12, 'bad_quoting', '9,"never closed'],
      [14, 'bad_line_end', '11,e\rlf'],
      [10, 'wrong_type', { a: 'seven', b: 'x' }],
    ]);
  });

  test('null is what the options say', async () => {
    const csv = await write('nulls.csv', 'a,b\n1,\n2,""\n3,NA\n4,"NA"\n');
    const texts = async (options: FilesOptions['csv']) =>
      (await rowsOf(csv, { ...typed, csv: options! })).rows.map((row) => row[2]);
    expect(await texts({})).toEqual([null, '', 'NA', 'NA']);
    expect(await texts({ null: ['', 'NA'] })).toEqual([null, '', null, 'NA']);
    expect(await texts({ null: ['', 'NA'], quotedNull: true })).toEqual([null, null, null, null]);
    expect(await texts({ null: [] })).toEqual(['', '', 'NA', 'NA']);
  });

  test('header, delimiter, quote, escape and skipped lines are what the options say', async () => {
    const none = await write('none.csv', '1,x\n2,y\n');
    expect((await rowsOf(none, { ...typed, csv: { header: false } })).rows).toEqual([
      [1, 1, 'x'],
      [2, 2, 'y'],
    ]);
    expect((await rowsOf(none, { ...typed, csv: { header: ['b', 'a'] } })).faults.map(([row]) => row)).toEqual([1, 2]);
    const odd = await write('odd.csv', `# it's "made" by hand\n\na;b\r\n1;'it\\'s; here'\r\n`);
    const options = { delimiter: ';', quote: `'`, escape: '\\', skip: 2 };
    expect((await rowsOf(odd, { ...typed, csv: options })).rows).toEqual([[4, 1, `it's; here`]]);
    const inches = await write('inches.csv', 'a,b\n1,5" pipe\n');
    expect((await rowsOf(inches, { ...typed, csv: { quote: '' } })).rows).toEqual([[2, 1, '5" pipe']]);
    const marked = await write('bom.csv', '\uFEFFa,b\n1,x\n');
    expect((await rowsOf(marked, typed)).rows).toEqual([[2, 1, 'x']]);
  });

  test('types that nobody declared hold every text, however late it comes', async () => {
    const early = Array.from({ length: 30_000 }, (_, index) => `${index},0${index},1.5,2024-01-02,true\n`).join('');
    const late = 'late,7,12.25,2024-02-30,true\n';
    const csv = await write('late.csv', `id,code,price,day,flag\n${early}${late}`);
    const [plan] = await plansOf(files(csv), opened.context);
    expect(JSON.parse(String(plan!.spec.types))).toEqual({
      ...{ id: 'VARCHAR', code: 'VARCHAR', price: 'DECIMAL(4,2)', day: 'VARCHAR', flag: 'BOOLEAN' },
    });
    expect((await rowsOf(csv)).rows.at(-1)!.slice(0, 3)).toEqual([30_002, 'late', '7']);
  });

  test.each([
    ['a,a\n1,2\n', /two columns are called "a"/],
    ['a,A\n1,2\n', /two columns are called "A"/],
    ['a,\n1,2\n', /column 2 has no name/],
    ['', /empty/],
    ['\uFEFF<!doctype html>\n<p>log in', /is an HTML page/],
    [Buffer.from([0xff, 0xfe, 0x61, 0x00]), /is UTF-16/],
    [gzipSync('a,b\n1,2\n'), /is packed with gzip/],
  ])('%j is refused as what it is', async (content, said) => {
    await expect(read(await write('refused.csv', content))).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      message: said,
    });
  });
});

describe('JSON', () => {
  test('what is no strict JSON object is rejected by its line', async () => {
    const lines = [
      '{"a":1,"b":"x"}',
      '{"a":2,',
      '{"a":3,}',
      '{"a":NaN}',
      '[1]',
      '{"a":4}{"a":5}',
      '{"a":6,"a":7}',
      '{"a":1.5}',
      '{"b":"\\ud800"}',
      '',
      '{"a":8}',
    ];
    const { rows, faults } = await rowsOf(await write('bad.jsonl', `${lines.join('\r\n')}\r\n`), typed);
    expect(rows).toEqual([
      [1, 1, 'x'],
      [11, 8, null],
    ]);
    expect(faults).toEqual([
      ...[
        [2, 'invalid_json'],
        [3, 'invalid_json'],
        [4, 'invalid_json'],
        [5, 'invalid_json'],
        [6, 'invalid_json'],
      ].map(([row, reason]) => [row, reason, lines[Number(row) - 1]]),
      [7, 'duplicate_key', lines[6]],
      [8, 'wrong_type', lines[7]],
      [9, 'invalid_json', lines[8]],
    ]);
    const lenient = await rowsOf('bad.jsonl', { ...typed, lenient: true });
    expect(lenient.rows.map(([row]) => row)).toEqual([1, 3, 7, 11]);
  });

  test.each([
    ['[{"a":1},{"a":2}', /ends in the middle/],
    ['[{"a":1},]', /lacks an element/],
    ['[{"a":1}] []', /goes on after its end, at byte 11/],
    ['{"a":1} {"a":2}', /goes on after its end/],
    ['"text"', /neither an array nor an object/],
    ['', /ends in the middle/],
  ])('the document %s is refused', async (content, said) => {
    await expect(read(await write('refused.json', content), typed)).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      message: said,
    });
  });

  test('one document is one row, and bad elements of an array are rejected by their number', async () => {
    expect((await rowsOf(await write('one.json', '{\n "a": 1,\n "b": "x"\n}\n'), typed)).rows).toEqual([[1, 1, 'x']]);
    const { rows, faults } = await rowsOf(await write('some.json', '[{"a": 1}, 2, {"a": "x"}, {"a": 4}]'), typed);
    expect(rows.map(([row]) => row)).toEqual([1, 4]);
    expect(faults).toEqual([
      [2, 'invalid_json', '2'],
      [3, 'wrong_type', '{"a": "x"}'],
    ]);
  });
});

describe('packed files', () => {
  const lines = Array.from({ length: 5000 }, (_, a) => `{"a":${a},"b":"${Math.sin(a)}"}\n`).join('');

  test.each([
    ['cut.jsonl.gz', gzipSync(lines).subarray(0, 9000), /is cut off: its gzip stream has no end/],
    ['cut.jsonl.zst', zstdCompressSync(lines).subarray(0, 9000), /is (cut off|not sound)/],
    ['plain.jsonl.gz', Buffer.from(lines), /is not sound gzip/],
    ['plain.csv.zst', Buffer.from('a,b\n1,2\n'), /is not sound zstd/],
  ])('%s fails as what it is', async (name, content, said) => {
    await expect(read(await write(name, content), typed)).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      message: said,
    });
  });

  test('a file of several packed parts is read to its end', async () => {
    const parts = Buffer.concat([gzipSync(lines), gzipSync('{"a":-1,"b":"last"}\n')]);
    const { rows } = await rowsOf(await write('parts.jsonl.gz', parts), typed);
    expect([rows.length, rows.at(-1)]).toEqual([5001, [5001, -1, 'last']]);
  });

  test('a packed Parquet file is refused', async () => {
    await expect(read(await write('x.parquet.gz', gzipSync('x')))).rejects.toMatchObject({ message: /packed parquet/ });
  });
});

describe('folders', () => {
  test('columns come from key=value folders when they are asked for, of the types that they are said to have', async () => {
    await write('hive/code=007/day=NULL/x.csv', 'a,b\n1,x\n');
    await write('hive/code=a%2Fb/day=__HIVE_DEFAULT_PARTITION__/x.csv', 'a,b\n2,y\n');
    const options = { ...typed, hive: { code: 'VARCHAR', day: 'VARCHAR' } };
    const rows = await readAll(files('hive', options), opened.context);
    expect(rows).toEqual([
      { a: 1, b: 'x', code: '007', day: 'NULL' },
      { a: 2, b: 'y', code: 'a/b', day: null },
    ]);
    expect((await rowsOf('hive/code=007', typed)).rows).toEqual([[2, 1, 'x']]);
    const packed = join(root, 'packed/year=2024/x.parquet');
    await mkdir(dirname(packed), { recursive: true });
    await writeParquet(opened.context.duck, `select 3 as a, 'z' as b`, packed);
    expect(await readAll(files('packed', { hive: { year: 'INTEGER' } }), opened.context)).toEqual([
      { a: 3, b: 'z', year: 2024 },
    ]);
    await expect(read('hive', { ...typed, hive: { code: 'INTEGER' } })).resolves.toBeDefined();
    await expect(read('hive', { ...typed, hive: { day: 'DATE' } })).rejects.toMatchObject({ message: /"day=NULL"/ });
    await expect(read('hive', { ...typed, hive: { year: 'INTEGER' } })).rejects.toMatchObject({
      message: /no folder "year=…"/,
    });
  });

  test('a link that leads out of its folder is refused, unless it is wanted', async () => {
    await write('outside/secret.csv', 'a,b\n1,secret\n');
    await write('links/good.csv', 'a,b\n2,good\n');
    await symlink(join(root, 'outside/secret.csv'), join(root, 'links/secret.csv'));
    await symlink(join(root, 'outside'), join(root, 'links/sub'));
    await symlink(join(root, 'links/good.csv'), join(root, 'links/twin.csv'));
    await symlink(join(root, 'links'), join(root, 'links/self'));
    const told = async (options: FilesOptions) =>
      (await plansOf(files('links', { ...typed, ...options }), opened.context)).map(({ file, problem }) => [
        file,
        problem?.code,
      ]);
    expect(await told({})).toEqual([
      ['links/good.csv', undefined],
      ['links/secret.csv', 'SOURCE_INVALID'],
      ['links/sub', 'SOURCE_INVALID'],
      ['links/twin.csv', undefined],
    ]);
    expect(await told({ followLinks: true })).toEqual(
      ['good.csv', 'secret.csv', 'sub/secret.csv', 'twin.csv'].map((name) => [`links/${name}`, undefined]),
    );
  });

  test('a misspelt option is refused with the nearest one', () => {
    expect(() => files('x', { hvie: {} } as never)).toThrow(/hvie is unknown\. Did you mean "hive"/);
    expect(() => files('x', { csv: { delimeter: ';' } as never })).toThrow(/Did you mean "delimiter"/);
    expect(() => files('x', { format: 'cvs' as never })).toThrow(/Did you mean "csv"/);
    expect(() => files('x', { csv: { delimiter: '||' } })).toThrow(/not one ASCII character/);
  });
});

describe('the spool', () => {
  test('is bounded: what never fits is refused, what fits later waits', async () => {
    const parent = await mkdtemp(join(root, 'spool-'));
    const spool = await Spool.open(parent, 1000);
    const { signal } = new AbortController();
    await expect(spool.hold(1001, signal)).rejects.toMatchObject({ code: 'SPOOL_FULL', hint: /DRAYAGE_SPOOL_MB/ });
    const first = await spool.hold(600, signal);
    expect(() => first.grow(500)).toThrow(/are allowed/);
    let given = false;
    const second = spool.hold(600, signal).then((held) => {
      given = true;
      return held;
    });
    await new Promise(setImmediate);
    expect(given).toBe(false);
    await first.release();
    await (await second).release();
    await spool.close();
    expect(await readdir(parent)).toEqual([]);
  });

  test('sweeps what dead processes left behind, and nothing of living ones', async () => {
    const parent = await mkdtemp(join(root, 'sweep-'));
    const old = new Date(Date.now() - 2 * 3600_000);
    // No process has this number: Linux gives none above 4,194,304.
    for (const name of [
      `${hostname()}~99999999~dead~x`,
      `elsewhere~1~new~x`,
      `elsewhere~1~old~x`,
      `${hostname()}~${process.ppid}~alive~x`,
    ]) {
      await mkdir(join(parent, name));
      if (name.includes('~old~')) await utimes(join(parent, name), old, old);
    }
    const spool = await Spool.open(parent, 1000);
    expect((await readdir(parent)).filter((name) => join(parent, name) !== spool.folder).sort()).toEqual(
      [`elsewhere~1~new~x`, `${hostname()}~${process.ppid}~alive~x`].sort(),
    );
    await spool.close();
  });
});
