import duckdb from '@duckdb/node-bindings';
import { DrayageError } from '../base/errors.ts';

export type Param = null | boolean | number | bigint | string | Date | Uint8Array;
/** By position for `$1` or `?`, by name for `$name`. */
export type Params = readonly Param[] | Readonly<Record<string, Param>>;

/** Gives a prepared statement its parameters. @throws PARAM_INVALID when they are not those that it has */
export function bind(prepared: duckdb.PreparedStatement, params: Params): void {
  const wanted = Array.from({ length: duckdb.nparams(prepared) }, (_, index) =>
    duckdb.parameter_name(prepared, index + 1),
  );
  // Those without a name are named by their places.
  const given: Map<string, Param> = new Map(
    Array.isArray(params) ? params.map((value, index) => [String(index + 1), value]) : Object.entries(params),
  );
  const told = (name: string) => `$${name}`;
  const missing = wanted.filter((name) => !given.has(name));
  const unknown = [...given.keys()].filter((name) => !wanted.includes(name));
  if (missing.length > 0 || unknown.length > 0) {
    const [fault, names] = missing.length > 0 ? ['has no value', missing] : ['is not in the query', unknown];
    throw new DrayageError('PARAM_INVALID', `Parameter ${names.map(told).join(', ')} ${fault}`, {
      hint: wanted.length === 0 ? 'The query has none.' : `The query has ${wanted.map(told).join(', ')}.`,
    });
  }
  for (const [index, name] of wanted.entries()) bindOne(prepared, index + 1, given.get(name)!, name);
}

function bindOne(prepared: duckdb.PreparedStatement, index: number, value: Param, name: string): void {
  if (value === null) duckdb.bind_null(prepared, index);
  else if (typeof value === 'boolean') duckdb.bind_boolean(prepared, index, value);
  else if (typeof value === 'string') duckdb.bind_varchar(prepared, index, value);
  else if (typeof value === 'bigint') bindInteger(prepared, index, value);
  else if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) duckdb.bind_int64(prepared, index, BigInt(value));
    else duckdb.bind_double(prepared, index, value);
  } else if (value instanceof Uint8Array) duckdb.bind_blob(prepared, index, value);
  else if (value instanceof Date && !Number.isNaN(value.getTime())) {
    duckdb.bind_timestamp_tz(prepared, index, { micros: BigInt(value.getTime()) * 1000n });
  } else {
    throw new DrayageError('PARAM_INVALID', `Parameter $${name} is ${String(value)}`, {
      hint: 'Give null, a boolean, a number, a bigint, a string, a Date or bytes.',
    });
  }
}

function bindInteger(prepared: duckdb.PreparedStatement, index: number, value: bigint): void {
  if (BigInt.asIntN(64, value) === value) duckdb.bind_int64(prepared, index, value);
  else duckdb.bind_hugeint(prepared, index, value);
}
