import type pg from 'pg';
import { requireTable } from '../../src/postgres/catalog.ts';
import { wayOut } from '../../src/postgres/decode/index.ts';

/** Types that some of the columns need. */
export const OUT_TYPES_NEEDED = `
  create extension if not exists citext;
  create extension if not exists hstore;
  create type out_mood as enum ('sad', 'so so', 'it''s fine');
  create domain out_even as integer check (value % 2 = 0);
  create domain out_price as numeric(9,2);
  create type out_pair as (a integer, "B b" text);
  create type out_rich as (n numeric, i interval, pair out_pair, tags text[], at timestamptz);`;

interface OutType {
  /** As Postgres writes it. */
  type: string;
  /** Literals; the first ones are also the edges. Null is always added. */
  values: readonly string[];
  /** The column that it comes back into, where that is not of the same type: nothing can be loaded into such a type. */
  back?: string;
}

const MOMENTS = [
  ...['infinity', '-infinity', '4713-01-01 00:00:00 BC', '0001-12-31 23:59:59.999999 BC', '2024-02-29 12:34:56.789012'],
  ...['1969-12-31 23:59:59.999999', '2000-01-01', '294246-12-31 23:59:59.999999'],
];
const FLOATS = ['NaN', 'Infinity', '-Infinity', '-0', '0', '1e-45', '3.4028235e38', '0.1', '-12345.678'];

/** Every type of Postgres that a load knows, and some that it does not, with values that others have lost. */
export const OUT_TYPES: readonly OutType[] = [
  { type: 'boolean', values: ['true', 'false'] },
  { type: 'smallint', values: ['-32768', '32767', '0'] },
  { type: 'integer', values: ['-2147483648', '2147483647', '-1'] },
  { type: 'bigint', values: ['-9223372036854775808', '9223372036854775807', '-1'] },
  { type: 'real', values: FLOATS },
  { type: 'double precision', values: [...FLOATS, '5e-324', '1.7976931348623157e308', '0.30000000000000004'] },
  {
    type: 'numeric',
    values: ['NaN', 'Infinity', '-Infinity', '1.10', '1.1', '0.000', '-1e300', `${'9'.repeat(60)}.5`],
  },
  { type: 'numeric(4,1)', values: ['-999.9', '999.9', '0.1', '0', '-0.1'] },
  { type: 'numeric(15,2)', values: ['-9999999999999.99', '9999999999999.99', '0.01', '10000', '12340000.5'] },
  { type: 'numeric(18,9)', values: ['-999999999.999999999', '0.000000001', '100000000', '1'] },
  { type: 'numeric(38,10)', values: ['-9999999999999999999999999999.9999999999', '0.0000000001', '1e27', '5'] },
  { type: 'numeric(38,0)', values: ['9'.repeat(38), `-${'9'.repeat(38)}`, '0'] },
  { type: 'numeric(60,20)', values: [`${'9'.repeat(40)}.${'9'.repeat(20)}`, '-0.00000000000000000001', 'NaN'] },
  { type: 'numeric(5,-2)', values: ['1234500', '-100', '0'] },
  { type: 'numeric(2,4)', values: ['0.0012', '-0.0099'] },
  { type: 'money', values: ['12.50', '-1.00'], back: 'numeric(12,2)' },
  {
    type: 'text',
    values: ['', ' ', 'é€😀', '\\n', `it's "quoted"`, '{a,b}', 'NULL', 'x'.repeat(5000), '\u2028\n\r\t'],
  },
  { type: 'varchar(20)', values: ['', 'ends in blanks  ', 'é'] },
  { type: 'char(5)', values: ['', 'ab', 'abcde', ' a'] },
  { type: 'name', values: ['pg_class', ''] },
  { type: 'citext', values: ['Mixed', ''] },
  { type: 'out_mood', values: ['sad', 'so so', `it's fine`] },
  { type: 'out_even', values: ['-4', '2'] },
  { type: 'out_price', values: ['-0.01', '1234567.89'] },
  { type: 'bytea', values: ['\\x', '\\x00', '\\x5c78ff00', '\\x6162'] },
  { type: 'uuid', values: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'] },
  { type: 'date', values: ['infinity', '-infinity', '4713-01-01 BC', '2024-02-29', '5874897-12-31', '1970-01-01'] },
  { type: 'time', values: ['00:00:00', '24:00:00', '23:59:59.999999'] },
  { type: 'timetz', values: ['00:00:00+15:59', '24:00:00-15:59', '12:00:00.000001+05:30'] },
  { type: 'timestamp', values: MOMENTS },
  { type: 'timestamptz', values: MOMENTS.map((moment) => moment.replace(/(\d)( BC)?$/, '$1+00$2')) },
  {
    type: 'interval',
    values: ['0', '1 mon -2 days +03:04:05.678901', '-178000000 years', '-00:00:00.000001', '40 days 25:00'],
  },
  { type: 'json', values: ['{"b": 1, "a":  1.0, "b": 2}', 'null', '"é"', '12345678901234567890.123'] },
  { type: 'jsonb', values: ['{"b": 1.10, "a": [1, null, "x"]}', 'null', '{}', '1e400', '"\\\\u00e9"'] },
  { type: 'xml', values: ['<a b="c">é</a>', ''] },
  { type: 'hstore', values: ['', 'a=>1, "b c"=>NULL', '"q\\"q"=>"\\\\"'] },
  { type: 'inet', values: ['10.0.0.1', '10.0.0.1/8', '::1', 'fe80::1/64'] },
  { type: 'cidr', values: ['10.0.0.0/8', '::/0'] },
  { type: 'macaddr', values: ['08:00:2b:01:02:03'] },
  { type: 'macaddr8', values: ['08:00:2b:01:02:03:04:05'] },
  { type: 'bit(3)', values: ['101', '000'] },
  { type: 'bit varying', values: ['', '1', '101010101'] },
  { type: 'pg_lsn', values: ['0/0', 'FFFFFFFF/FFFFFFFF'] },
  { type: 'int4range', values: ['empty', '(,)', '[1,5)', '[-2147483648,)'] },
  { type: 'int8range', values: ['empty', '[1,9223372036854775807)'] },
  { type: 'numrange', values: ['empty', '[1.10,2.5]', '(,1e50)'] },
  { type: 'daterange', values: ['empty', '[2024-01-01,infinity)', '["4713-01-01 BC",2000-01-01)'] },
  { type: 'tsrange', values: ['empty', '("2024-01-01 00:00:00.000001",infinity]', '["0044-03-15 00:00:00 BC",)'] },
  { type: 'tstzrange', values: ['empty', '["2024-01-01 00:00:00+00","2024-01-02 00:00:00+00")'] },
  { type: 'int4multirange', values: ['{}', '{[1,3),[5,8)}'] },
  { type: 'nummultirange', values: ['{}', '{[1.1,2.2],(5,)}'] },
  { type: 'tsmultirange', values: ['{}', '{["2024-01-01 00:00:00","2024-01-02 00:00:00")}'] },
  { type: 'integer[]', values: ['{}', '{NULL}', '{1,NULL,-3}'] },
  { type: 'integer[][]', values: ['{}', '{{1,2},{NULL,4}}', '{{1}}'] },
  { type: 'text[][][]', values: ['{}', '{{{a,"b,c"},{"",NULL}},{{"NULL","\\"",x},{y,z}}}'.replace(',x', '')] },
  { type: 'numeric(9,3)[]', values: ['{1.100,-0.001,NULL}', '{}'] },
  { type: 'numeric[]', values: ['{1.10,1e40,NaN,NULL}', '{}'] },
  { type: 'double precision[]', values: ['{NaN,-Infinity,-0,NULL}'] },
  { type: 'boolean[]', values: ['{t,f,NULL}'] },
  { type: 'date[]', values: ['{infinity,2024-02-29,NULL}'] },
  { type: 'timestamptz[]', values: ['{infinity,"2024-02-29 12:00:00+00",NULL}'] },
  { type: 'interval[]', values: ['{"1 mon -2 days",NULL}', '{}'] },
  { type: 'inet[]', values: ['{10.0.0.1/8,NULL}'] },
  { type: 'uuid[]', values: ['{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}'] },
  { type: 'bytea[]', values: ['{"\\\\x00ff",NULL}'] },
  { type: 'jsonb[]', values: ['{"{\\"a\\": 1}",NULL,"null"}'] },
  { type: 'out_mood[]', values: ['{sad,"so so",NULL}'] },
  { type: 'out_even[]', values: ['{2,-4,NULL}'] },
  { type: 'out_pair', values: ['(1,x)', '(,)', '(,"")', '(2,"a,""b""")'] },
  { type: 'out_pair[]', values: ['{"(1,x)",NULL,"(,)"}', '{}'] },
  {
    type: 'out_rich',
    values: ['(1.10,"1 mon","(7,y)","{a,NULL}","2024-01-01 00:00:00+00")', '(,,,,)', '(,,"(,)",{},)'],
  },
  { type: 'out_rich[]', values: ['{"(1.10,,,,)"}'], back: 'text' },
  { type: 'oid', values: ['4294967295', '0'], back: 'text' },
  { type: '"char"', values: ['x', ''], back: 'text' },
  { type: 'point', values: ['(1.5,-2)'], back: 'text' },
  { type: 'tsvector', values: [`'a':1A 'b c':2`], back: 'text' },
  { type: 'tsquery', values: [`'a' & !'b'`], back: 'text' },
  { type: 'regclass', values: ['pg_class'], back: 'text' },
];

export const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** Statements that make a table of all types with all values, a row for each place in the lists. */
export function outTable(name: string): string[] {
  const columns = OUT_TYPES.map(({ type }, index) => `c${index} ${type}`);
  const most = Math.max(...OUT_TYPES.map(({ values }) => values.length));
  const rows = Array.from({ length: most + 1 }, (_, row) => {
    const cells = OUT_TYPES.map(({ type, values }) => {
      const value = values[row];
      return value === undefined ? 'null' : `${literal(value)}::${type}`;
    });
    return `(${[row, ...cells].join(', ')})`;
  });
  return [
    `create table ${name} (id integer primary key, ${columns.join(', ')})`,
    `insert into ${name} values ${rows.join(',\n')}`,
  ];
}

/** The table that takes the values back. */
export function backTable(name: string): string {
  return `create table ${name} (id integer primary key, ${OUT_TYPES.map(({ type, back }, index) => `c${index} ${back ?? type}`).join(', ')})`;
}

/** What both tables are compared by. */
export const COMPARED = [
  'id',
  ...OUT_TYPES.map(({ type, back }, index) => {
    if (back === undefined) return `c${index}`;
    return back === 'text' ? `c${index}::text` : `c${index}::${type === 'money' ? 'numeric' : type}::${back}`;
  }),
];

/** What each type leaves as, as the table in docs/types.md says it. */
export async function outMarkdown(pool: pg.Pool): Promise<string> {
  await pool.query(OUT_TYPES_NEEDED);
  for (const statement of outTable('out_types')) await pool.query(statement);
  const { columns } = await requireTable(pool as never, 'out_types');
  const types = OUT_TYPES.map(({ type, back }, index) => {
    const dimensions = Math.max(1, type.split('[]').length - 1);
    const name = type.replace(/^out_(\w+)/, (_, own) => NAMES[own]!);
    return { name: back ? `*${name}*` : name, out: wayOut(columns[index + 1]!.pgType, dimensions).duckdb };
  });
  const lines = [...Map.groupBy(types, ({ out }) => out)].map(([out, group]) => {
    return `| ${out.toLowerCase()} | ${group.map(({ name }) => name).join(', ')} |`;
  });
  return ['| leaves as | types of Postgres |', '|---|---|', ...lines].join('\n');
}

/** How the docs call the types that only the test has. */
const NAMES: Record<string, string> = {
  mood: 'an_enum',
  pair: 'a_composite',
  rich: 'a_composite_of_others',
  even: 'a_domain',
  price: 'a_domain_of_numeric',
};
