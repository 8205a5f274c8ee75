import type { ExactNumber } from '../base/json.ts';

/**
 * Columns by name with their types as Postgres writes them, for example `varchar(200)`, `timestamptz`, `text[]`; or
 * several, as in `vector(384) | real[]`, when the table is not the same on every server.
 */
export type ColumnTypes = Readonly<Record<string, string>>;

type Whole = number | bigint | string | ExactNumber;
type Text = string | number | bigint | boolean | ExactNumber;

/** What a job's function may give for a column; docs/writing-a-job.md has the rules. */
interface ValuesByType {
  boolean: boolean | string;
  bool: boolean | string;
  smallint: Whole;
  int2: Whole;
  integer: Whole;
  int: Whole;
  int4: Whole;
  bigint: Whole;
  int8: Whole;
  numeric: Whole;
  decimal: Whole;
  real: Whole;
  float4: Whole;
  'double precision': Whole;
  float8: Whole;
  text: Text;
  varchar: Text;
  'character varying': Text;
  char: Text;
  citext: Text;
  uuid: string;
  date: Date | string;
  time: string;
  timestamp: Date | string;
  timestamptz: Date | string;
  interval: string;
  inet: string;
  bytea: Uint8Array;
  vector: readonly number[] | Float32Array | Float64Array | string;
  halfvec: readonly number[] | Float32Array | Float64Array | string;
}

type ValueOf<Type extends string> = Type extends `${infer One} | ${infer Other}`
  ? ValueOf<One> & ValueOf<Other>
  : Type extends `${infer Element}[]`
    ? readonly (ValueOf<Element> | null)[]
    : Type extends keyof ValuesByType
      ? ValuesByType[Type]
      : Type extends `${infer Base}(${string})`
        ? ValueOf<Base>
        : unknown;

/** A row as a job's function gives it; a column that is left out is null. */
export type RowOf<Columns extends ColumnTypes> = {
  readonly [Name in keyof Columns]?: ValueOf<Columns[Name]> | null | undefined;
};

/** Other names of types, and how `format_type` writes them. */
const WRITTEN: Readonly<Record<string, string>> = {
  bool: 'boolean',
  int2: 'smallint',
  int: 'integer',
  int4: 'integer',
  int8: 'bigint',
  float4: 'real',
  float8: 'double precision',
  decimal: 'numeric',
  varchar: 'character varying',
  char: 'character',
  bpchar: 'character',
  varbit: 'bit varying',
  time: 'time without time zone',
  timetz: 'time with time zone',
  timestamp: 'timestamp without time zone',
  timestamptz: 'timestamp with time zone',
};

/**
 * Whether a column's type is the declared one, or one of them; a modifier counts only when it is declared.
 * @param actual as `format_type` writes it
 */
export function isType(declared: string, actual: string): boolean {
  return declared.split(' | ').some((one) => isSame(one, actual));
}

function isSame(declared: string, actual: string): boolean {
  const [wanted, found] = [parts(declared), parts(actual)];
  const same = (WRITTEN[wanted.name] ?? wanted.name) === found.name && wanted.array === found.array;
  return same && (wanted.modifier === '' || wanted.modifier === found.modifier);
}

function parts(type: string): { name: string; modifier: string; array: boolean } {
  const [, start = '', modifier = '', end = '', brackets = ''] =
    /^(?:\w+\.)?([^([]+)(?:\(([^)]*)\))?([^[]*)((?:\[\d*\])*)$/.exec(type.trim().toLowerCase()) ?? [];
  return { name: `${start.trim()}${end}`.trim(), modifier: modifier.replaceAll(' ', ''), array: brackets !== '' };
}
