import { describe, expect, test } from 'vitest';
import { defineJob, type Source, table } from '../../src/index.ts';
import { isType } from '../../src/model/columns.ts';
import { bareName } from '../../src/model/job.ts';

const JOB = {
  name: 'talks',
  description: 'Talks',
  targets: {
    talks: table({ columns: { id: 'uuid', title: 'varchar(20)', n: 'numeric(38,2)', tags: 'text[]' } }),
    'app."Line"': table({ columns: { at: 'timestamptz', data: 'jsonb' } }),
  },
} as const;

test('a function over records is typed against the columns of the tables', () => {
  const job = defineJob({
    ...JOB,
    source: () => ({}) as Source<{ id: string }>,
    transform: (record, emit) => {
      emit.talks({ id: record.id, title: 'x', n: 1n, tags: ['a', null] });
      emit.talks({ id: null, title: undefined });
      emit.Line({ at: new Date(), data: { any: ['thing'] } });
      emit.reject('why', 'because');
      emit.warn('odd');
      // @ts-expect-error: the record has no such member
      record.title;
      // @ts-expect-error: a uuid is a string
      emit.talks({ id: 1 });
      // @ts-expect-error: the table has no such column
      emit.talks({ nosuch: 1 });
      // @ts-expect-error: an array of text takes no objects
      emit.talks({ tags: [{}] });
      // @ts-expect-error: there is no such table
      emit.lines({});
    },
  });
  expect(job.transform).toMatchObject({ kind: 'records' });
  defineJob({
    ...JOB,
    source: () => ({}) as Source,
    transform: (record: { own: number }, emit) => emit.talks({ n: record.own }),
  });
});

describe('a definition with a function over records is refused', () => {
  const transform = () => undefined;
  test.each([
    [{ talks: table() }, 'targets.talks.columns'],
    [{ reject: table({ columns: { a: 'text' } }) }, 'targets.reject'],
    [{ 'a.x': table({ columns: { a: 'text' } }), 'b."x"': table({ columns: { a: 'text' } }) }, 'targets.b."x"'],
  ])('%#', (targets, field) => {
    expect(() => defineJob({ ...JOB, source: () => ({}) as Source, transform, targets: targets as never })).toThrow(
      expect.objectContaining({ code: 'JOB_INVALID', where: expect.objectContaining({ field }) }),
    );
  });

  test('and so are columns that make no sense', () => {
    expect(() => table({ columns: {} })).toThrow(/names none/);
    expect(() => table({ columns: { a: 1 } as never })).toThrow(/columns.a is not a type/);
    expect(() => table({ columns: { a: 'text' }, key: ['b'], mode: 'upsert' })).toThrow(/lacks "b"/);
    expect(() => table({ columns: { a: 'text' }, pack: { into: 'a', as: 'jsonb' } })).toThrow(/does not go with pack/);
    expect(() => defineJob({ ...JOB, source: () => ({}) as Source, transform: { talks: {} } as never })).toThrow(
      /columns has a meaning/,
    );
  });
});

test('a declared type is that of the column, whatever it is called', () => {
  for (const [declared, actual, same] of [
    ['text', 'text', true],
    ['varchar(20)', 'character varying(20)', true],
    ['varchar', 'character varying(20)', true],
    ['varchar(10)', 'character varying(20)', false],
    ['timestamptz', 'timestamp with time zone', true],
    ['timestamptz(3)', 'timestamp(3) with time zone', true],
    ['timestamp', 'timestamp with time zone', false],
    ['int[]', 'integer[]', true],
    ['int', 'integer[]', false],
    ['numeric(38, 2)', 'numeric(38,2)', true],
    ['vector(384)', 'public.vector(384)', true],
    ['float8', 'double precision', true],
  ] as const) {
    expect([declared, isType(declared, actual)]).toEqual([declared, same]);
  }
  expect(['x', 'app.x', '"A b"', 'app."A.b"', '"a""b"', '"s"."T"'].map(bareName)).toEqual([
    'x',
    'x',
    'A b',
    'A.b',
    'a"b',
    'T',
  ]);
});
