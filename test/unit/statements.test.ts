import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { abbreviate, indexName, splitStatements } from '../../src/postgres/statements.ts';

describe('a semicolon ends a statement', () => {
  test.each([
    ['several', 'select 1; select 2;\n select 3', ['select 1', 'select 2', 'select 3']],
    ['none', 'select 1', ['select 1']],
    ['an empty script', ' \n', []],
    ['empty statements', ';; select 1;; ;', ['select 1']],
    ['comments alone', '-- one;\n/* two; */; select 1; -- three', ['select 1']],
    ['a parameter is no dollar quote', 'select $1; select $2', ['select $1', 'select $2']],
    ['a name with dollars', 'select a$b$; select c$b$', ['select a$b$', 'select c$b$']],
    ['a plain string ends at its backslash', `select 'a\\'; select 'b'`, [`select 'a\\'`, `select 'b'`]],
    ['a name before a string', `select name'a\\'; select 1`, [`select name'a\\'`, 'select 1']],
    ['Windows line ends', 'select 1; -- one\r\nselect 2;\r\n', ['select 1', '-- one\r\nselect 2']],
    ['words that only look like a block', 'begin; commit; end', ['begin', 'commit', 'end']],
  ])('%s', (_, script, statements) => {
    expect(splitStatements(script)).toEqual(statements);
  });
});

describe('but not inside of', () => {
  test.each([
    ['a string', `select 'a;b', 'it''s;'`],
    ['a string with escapes', `select E'a\\';b', e'\\\\;'''`],
    ['a string over lines', `select 'a;\n-- b;'`],
    ['a quoted name', `select 1 as "a;b"";"`],
    ['a dollar quote', 'do $$ begin perform 1; end $$'],
    ['a dollar quote with a tag', `do $body$ begin execute $$select ';'$$; perform '$other$;'; end $body$`],
    ['a tag beyond ASCII', 'select $größe$;$größe$'],
    ['a line comment', `select 1 -- it's; one\n + 1`],
    ['a block comment', `select /* a; 'b */ 1`],
    ['nested block comments', 'select /* a; /* b; */ c; */ 1'],
    ['a comment before a statement', '-- one;\nselect 1'],
    ['the parentheses of a rule', 'create rule r as on insert to t do also (delete from a; delete from b)'],
    [
      'the body of an SQL function',
      'create or replace function f(n int) returns int begin atomic select 1; select case n when 1 then 2 end; end',
    ],
  ])('%s', (_, statement) => {
    expect(splitStatements(`${statement};\n${statement} ;`)).toEqual([statement, statement]);
  });
});

test.each([
  `select 'a; select 2`,
  `select E'a\\'; select 2`,
  'do $a$ begin; end $b$;',
  'select 1 /* a; /* b; */',
])('what has no end takes the rest: %s', (script) => {
  expect(splitStatements(script)).toEqual([script]);
});

test('nothing but semicolons and space is lost', () => {
  const piece = fc.constantFrom(
    ';',
    "'",
    '"',
    '$$',
    '$a$',
    '--',
    '/*',
    '*/',
    '\n',
    ' ',
    'E',
    '\\',
    '(',
    ')',
    'a',
    '1',
    '😀',
  );
  const bare = (text: string) => text.replace(/[;\s]/g, '');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const script = `select 1${pieces.join('')}`;
      expect(bare(script).startsWith(bare(splitStatements(script)[0]!))).toBe(true);
      const kept = splitStatements(script).map(bare);
      let at = 0;
      for (const text of kept) {
        const found = bare(script).indexOf(text, at);
        expect(found).toBeGreaterThanOrEqual(at);
        at = found + text.length;
      }
    }),
  );
});

test('a message shows a statement in one line', () => {
  expect(abbreviate('-- Why.\nselect 1, -- one\n  /* two */ 2')).toBe('select 1, 2');
  expect(abbreviate(`select ${'a'.repeat(200)}`, 20)).toBe('select aaaaaaaaaaaa…');
});

test.each([
  ['create index a on t (x)', 'a'],
  ['-- Why.\ncreate unique index concurrently if not exists "A b" on t (x)', '"A b"'],
  ['CREATE INDEX CONCURRENTLY a_b ON only t (x)', 'a_b'],
  ['create index on t (x)', undefined],
  ['create index concurrently on t (x)', undefined],
  ['alter table t add primary key (x)', undefined],
])('the index of %j', (statement, name) => {
  expect(indexName(statement)).toBe(name);
});
