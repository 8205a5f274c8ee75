import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import * as arrow from 'apache-arrow';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { unpackLz4 } from '../../src/arrow/lz4.ts';
import { rows as query } from '../../src/duckdb/scan.ts';
import { ROW, type SourceContext } from '../../src/model/source.ts';
import { files } from '../../src/sources/files.ts';
import type { FilesOptions } from '../../src/sources/format.ts';
import { openContext, openRelation, plansOf } from '../helpers/read-source.ts';

let root: string;
let opened: Awaited<ReturnType<typeof openContext>>;
let context: SourceContext;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'drayage-arrow-'));
  opened = await openContext(root);
  context = opened.context;
});
afterEach(async () => expect(await opened.spooled()).toEqual([]));
afterAll(async () => {
  await opened.close();
  await rm(root, { recursive: true });
});

/** The rows of a file as DuckDB writes their values, and the types. */
async function read(name: string, options: FilesOptions = {}) {
  const source = files(name, options);
  const found: Record<string, unknown>[] = [];
  let types: unknown;
  for (const plan of await plansOf(source, context)) {
    if (plan.problem) throw plan.problem;
    const partition = await openRelation(source, plan, context);
    try {
      await context.duck.use(async (connection) => {
        await partition.prepare?.(partition.relation, connection);
        const relation = `select * exclude ("${ROW}") from (${partition.relation})`;
        types = Object.fromEntries(
          (await query(connection, `describe ${relation}`)).map(({ column_name, column_type }) => [
            column_name,
            column_type,
          ]),
        );
        found.push(...(await query(connection, `select columns(*)::varchar from (${relation})`)));
      });
    } finally {
      await partition.close();
    }
  }
  return { types, rows: found };
}

const { vectorFromArray: vector, Field, Data } = arrow;
void Data;
const field = (name: string, type: arrow.DataType, metadata?: Map<string, string>) =>
  new Field(name, type, true, metadata);

/** A column of values given by their buffers. */
function raw(type: arrow.DataType, length: number, parts: Record<string, unknown>): arrow.Vector {
  return arrow.makeVector(arrow.makeData({ type, length, nullCount: 0, ...parts } as never) as never);
}

test('every type of Arrow arrives with its values', async () => {
  const struct = new arrow.Struct([
    field('a', new arrow.Int32()),
    field('b', new arrow.List(field('item', new arrow.Utf8()))),
  ]);
  const map = new arrow.Map_(
    new Field(
      'entries',
      new arrow.Struct([new Field('key', new arrow.Utf8(), false), field('value', new arrow.Int32())]),
      false,
    ) as never,
  );
  const columns: Record<string, [arrow.Vector, type: string, ...values: (string | null)[]]> = {
    bool: [vector([true, null, false], new arrow.Bool()), 'BOOLEAN', 'true', null, 'false'],
    i8: [vector([-128, null, 127], new arrow.Int8()), 'TINYINT', '-128', null, '127'],
    u8: [vector([255, null, 0], new arrow.Uint8()), 'UTINYINT', '255', null, '0'],
    i16: [vector([-32768, null, 1], new arrow.Int16()), 'SMALLINT', '-32768', null, '1'],
    u16: [vector([65535, null, 1], new arrow.Uint16()), 'USMALLINT', '65535', null, '1'],
    u32: [vector([4294967295, null, 1], new arrow.Uint32()), 'UINTEGER', '4294967295', null, '1'],
    i64: [vector([-(2n ** 63n), null, 1n], new arrow.Int64()), 'BIGINT', '-9223372036854775808', null, '1'],
    u64: [vector([2n ** 64n - 1n, null, 1n], new arrow.Uint64()), 'UBIGINT', '18446744073709551615', null, '1'],
    half: [
      raw(new arrow.Float16(), 3, { data: new Uint16Array([0x3c00, 0xfc00, 0x0001]) }),
      'FLOAT',
      '1.0',
      '-inf',
      '5.9604645e-08',
    ],
    f32: [vector([1.5, null, Number.NaN], new arrow.Float32()), 'FLOAT', '1.5', null, 'nan'],
    f64: [vector([0.1, null, -0], new arrow.Float64()), 'DOUBLE', '0.1', null, '-0.0'],
    text: [vector(['', null, 'é€😀'], new arrow.Utf8()), 'VARCHAR', '', null, 'é€😀'],
    large: [vector(['a', null, 'b'], new arrow.LargeUtf8()), 'VARCHAR', 'a', null, 'b'],
    blob: [
      vector([new Uint8Array([0, 255]), null, new Uint8Array()], new arrow.Binary()),
      'BLOB',
      '\\x00\\xFF',
      null,
      '',
    ],
    fixed: [
      vector([new Uint8Array([65, 66]), null, new Uint8Array([67, 68])], new arrow.FixedSizeBinary(2)),
      'BLOB',
      'AB',
      null,
      'CD',
    ],
    price: [
      raw(new arrow.Decimal(2, 20, 128), 3, {
        data: new Uint32Array([12345, 0, 0, 0, -1 >>> 0, -1 >>> 0, -1 >>> 0, -1 >>> 0, 0, 1, 0, 0]),
      }),
      'DECIMAL(20,2)',
      '123.45',
      '-0.01',
      '42949672.96',
    ],
    wide: [
      raw(new arrow.Decimal(1, 60, 256), 3, {
        data: new Uint32Array([
          ...new Array(7).fill(0),
          1,
          15,
          ...new Array(7).fill(0),
          ...new Array(8).fill(-1 >>> 0),
        ]),
      }),
      'VARCHAR',
      `${2n ** 224n / 10n}.${2n ** 224n % 10n}`,
      '1.5',
      '-0.1',
    ],
    day: [
      raw(new arrow.DateDay(), 3, { data: new Int32Array([0, -719162, 19000]) }),
      'DATE',
      '1970-01-01',
      '0001-01-01',
      '2022-01-08',
    ],
    ms: [
      raw(new arrow.DateMillisecond(), 3, { data: new BigInt64Array([0n, 86_400_000n, -86_400_000n]) }),
      'DATE',
      '1970-01-01',
      '1970-01-02',
      '1969-12-31',
    ],
    seconds: [
      raw(new arrow.TimeSecond(), 3, { data: new Int32Array([0, 3661, 86399]) }),
      'TIME',
      '00:00:00',
      '01:01:01',
      '23:59:59',
    ],
    micros: [
      raw(new arrow.TimeMicrosecond(), 3, { data: new BigInt64Array([1n, 0n, 86_399_999_999n]) }),
      'TIME',
      '00:00:00.000001',
      '00:00:00',
      '23:59:59.999999',
    ],
    nanos: [
      raw(new arrow.TimeNanosecond(), 3, { data: new BigInt64Array([1n, 0n, 5n]) }),
      'TIME_NS',
      '00:00:00.000000001',
      '00:00:00',
      '00:00:00.000000005',
    ],
    at_s: [
      raw(new arrow.TimestampSecond(), 3, { data: new BigInt64Array([0n, -1n, 1n]) }),
      'TIMESTAMP',
      '1970-01-01 00:00:00',
      '1969-12-31 23:59:59',
      '1970-01-01 00:00:01',
    ],
    at_us: [
      raw(new arrow.TimestampMicrosecond('Europe/Paris'), 3, { data: new BigInt64Array([1n, 0n, -1n]) }),
      'TIMESTAMP WITH TIME ZONE',
      '1970-01-01 00:00:00.000001+00',
      '1970-01-01 00:00:00+00',
      '1969-12-31 23:59:59.999999+00',
    ],
    at_ns: [
      raw(new arrow.TimestampNanosecond(), 3, { data: new BigInt64Array([1n, 0n, -1n]) }),
      'TIMESTAMP_NS',
      '1970-01-01 00:00:00.000000001',
      '1970-01-01 00:00:00',
      '1969-12-31 23:59:59.999999999',
    ],
    took: [
      raw(new arrow.DurationMillisecond(), 3, { data: new BigInt64Array([1500n, 0n, -1n]) }),
      'INTERVAL',
      '00:00:01.5',
      '00:00:00',
      '-00:00:00.001',
    ],
    span: [
      raw(new arrow.IntervalMonthDayNano(), 3, {
        data: new Int32Array([1, -2, 1000, 0, 0, 0, 0, 0, 14, 3, -1000, -1]),
      }),
      'INTERVAL',
      '1 month -2 days 00:00:00.000001',
      '00:00:00',
      '1 year 2 months 3 days -00:00:00.000001',
    ],
    word: [
      vector(['x', null, 'y'], new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8())),
      'VARCHAR',
      'x',
      null,
      'y',
    ],
    list: [
      vector([[1, null, 3], null, []], new arrow.List(field('item', new arrow.Int32()))),
      'INTEGER[]',
      '[1, NULL, 3]',
      null,
      '[]',
    ],
    three: [
      vector([[1, 2, 3], null, [4, 5, 6]], new arrow.FixedSizeList(3, field('item', new arrow.Float32()))),
      'FLOAT[]',
      '[1.0, 2.0, 3.0]',
      null,
      '[4.0, 5.0, 6.0]',
    ],
    deep: [
      vector(
        [[[1], [], null, [2, 3]], null, [[]]],
        new arrow.List(field('item', new arrow.List(field('item', new arrow.Int32())))),
      ),
      'INTEGER[][]',
      '[[1], [], NULL, [2, 3]]',
      null,
      '[[]]',
    ],
    struct: [
      vector([{ a: 1, b: ['x', null] }, null, { a: null, b: null }], struct),
      'STRUCT(a INTEGER, b VARCHAR[])',
      `{'a': 1, 'b': [x, NULL]}`,
      null,
      `{'a': NULL, 'b': NULL}`,
    ],
    map: [
      vector(
        [
          new Map([
            ['k', 1],
            ['l', null as never],
          ]),
          null,
          new Map(),
        ],
        map as never,
      ),
      'MAP(VARCHAR, INTEGER)',
      '{k=1, l=NULL}',
      null,
      '{}',
    ],
    // Nulls of no type are told as integers.
    nothing: [raw(new arrow.Null(), 3, {}), 'INTEGER', null, null, null],
  };
  const table = new arrow.Table(Object.fromEntries(Object.entries(columns).map(([name, [values]]) => [name, values])));
  await writeFile(join(root, 'types.arrow'), arrow.tableToIPC(table, 'file'));
  await writeFile(join(root, 'types.arrows'), arrow.tableToIPC(table, 'stream'));
  for (const name of ['types.arrow', 'types.arrows']) {
    const { types, rows } = await read(name);
    expect(types).toEqual(Object.fromEntries(Object.entries(columns).map(([column, [, type]]) => [column, type])));
    for (const row of [0, 1, 2]) {
      expect(rows[row]).toEqual(
        Object.fromEntries(Object.entries(columns).map(([column, one]) => [column, one[row + 2]])),
      );
    }
  }
  const { rows } = await read('types.arrow', { columns: { i8: 'BIGINT', absent: 'DATE', u64: 'VARCHAR' } });
  expect(rows[0]).toEqual({ i8: '-128', absent: null, u64: '18446744073709551615' });
});

test('extension types, and buffers packed with LZ4 and ZSTD', async () => {
  const uuid = arrow.vectorFromArray([new Uint8Array(16).fill(17)], new arrow.FixedSizeBinary(16));
  const json = arrow.vectorFromArray(['{"a": 1}'], new arrow.Utf8());
  const meta = (name: string) => new Map([['ARROW:extension:name', name]]);
  const schema = new arrow.Schema([
    field('id', uuid.type, meta('arrow.uuid')),
    field('doc', json.type, meta('arrow.json')),
  ]);
  const children = [uuid.data[0]!, json.data[0]!] as arrow.Data[];
  const batch = new arrow.RecordBatch(
    schema,
    arrow.makeData({ type: new arrow.Struct(schema.fields), length: 1, nullCount: 0, children }),
  );
  await writeFile(join(root, 'known.arrow'), arrow.tableToIPC(new arrow.Table([batch]), 'file'));
  expect(await read('known.arrow')).toEqual({
    types: { id: 'UUID', doc: 'JSON' },
    rows: [{ id: '11111111-1111-1111-1111-111111111111', doc: '{"a": 1}' }],
  });
  const table = new arrow.Table({
    text: arrow.vectorFromArray(
      Array.from({ length: 3000 }, (_, i) => `text ${i % 7}`),
      new arrow.Utf8(),
    ),
  });
  const { compressionRegistry: codecs, CompressionType } = arrow;
  codecs.set(CompressionType.ZSTD, { ...codecs.get(CompressionType.ZSTD), encode: (bytes) => zstdCompressSync(bytes) });
  codecs.set(CompressionType.LZ4_FRAME, { ...codecs.get(CompressionType.LZ4_FRAME), encode: storedLz4 });
  for (const type of [CompressionType.ZSTD, CompressionType.LZ4_FRAME]) {
    const writer = new arrow.RecordBatchFileWriter({ compressionType: type });
    writer.writeAll(table);
    await writeFile(join(root, 'packed.arrow'), writer.finish().toUint8Array(true));
    const { rows } = await read('packed.arrow');
    expect(rows.map(({ text }) => text)).toEqual(table.toArray().map(({ text }) => text));
  }
});

/** An LZ4 frame of one block that is stored as it is. */
function storedLz4(bytes: Uint8Array): Uint8Array {
  const head = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73, 0, 0, 0, 0]);
  head.writeUInt32LE((bytes.length | 0x80000000) >>> 0, 7);
  return Buffer.concat([head, bytes, Buffer.alloc(4)]);
}

test('LZ4 blocks: literals, matches that overlap, long lengths, and what is no frame', () => {
  // A frame as lz4 1.9 writes it, of 'abcabc…' and a tail, with its size and both checksums.
  const block = [0x3f, 0x61, 0x62, 0x63, 0x03, 0x00, 255, 2, 0x50, 0x74, 0x61, 0x69, 0x6c, 0x21];
  const frame = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73, block.length, 0, 0, 0, ...block, 0, 0, 0, 0]);
  const text = Buffer.from(unpackLz4(frame)).toString();
  expect(text).toBe(`${'abc'.repeat(100).slice(0, 3 + 15 + 255 + 2 + 4)}tail!`);
  expect(() => unpackLz4(frame.subarray(0, 20))).toThrow('cut off');
  expect(() => unpackLz4(Buffer.from('not a frame'))).toThrow('no LZ4 frame');
});

test('what is torn, old or something else is named', async () => {
  const table = new arrow.Table({ id: arrow.vectorFromArray([1, 2, 3], new arrow.Int32()) });
  const file = arrow.tableToIPC(table, 'file');
  const stream = arrow.tableToIPC(table, 'stream');
  const garbled = Buffer.from(file);
  garbled.fill(0xff, 300, 340);
  const cases: [name: string, content: Uint8Array, message: RegExp][] = [
    ['empty.arrow', new Uint8Array(), /is empty/],
    ['torn.arrow', file.subarray(0, file.length - 20), /truncated Arrow file: it ends without a footer/],
    ['torn.arrows', stream.subarray(0, stream.length - 8), /truncated Arrow stream: it has no end/],
    ['old.feather', Buffer.from('FEA1 and so on, for a while'), /Feather of version 1/],
    ['page.arrow', Buffer.from('<!DOCTYPE html><html><body>Not found</body></html>'), /HTML/],
    ['text.arrow', Buffer.from('id,name\n1,a and quite some more text\n'), /no Arrow file/],
    ['garbled.arrow', garbled, /is damaged/],
  ];
  for (const [name, content, message] of cases) {
    await writeFile(join(root, name), content);
    const error = await read(name).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'SOURCE_INVALID', message: expect.stringMatching(message) });
  }
  const union = arrow.makeVector(
    arrow.makeData({
      type: new arrow.SparseUnion([0], [field('a', new arrow.Int32())] as never),
      length: 1,
      typeIds: new Int8Array([0]),
      children: [arrow.makeData({ type: new arrow.Int32(), length: 1, nullCount: 0, data: new Int32Array([1]) })],
    } as never) as never,
  );
  await writeFile(join(root, 'union.arrow'), arrow.tableToIPC(new arrow.Table({ either: union } as never), 'file'));
  await expect(read('union.arrow')).rejects.toMatchObject({
    message: expect.stringMatching(/"either" of type .*Union/),
  });
});
