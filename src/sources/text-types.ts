import { NULL_TYPE } from '../duckdb/types.ts';

/** A column of a text format: where its text stands in a query, and what it has to be. */
export interface TextColumn {
  name: string;
  /** A DuckDB type, in capitals. */
  type: string;
  /** SQL that gives the text. */
  text: string;
}

/** Why a text does not go into its column. */
export interface Misfit {
  /** SQL that is true of such a text, and never null. */
  condition: string;
  reason: 'wrong_type' | 'digits_lost';
  said: string;
}

const INTEGERS = /^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/;
const DECIMAL = /^DECIMAL\(\d+,\s*(\d+)\)$/;
const FLOATS = /^(FLOAT|DOUBLE)$/;

/**
 * What can be wrong with the texts of a column. A cast alone would round 5.7 to an integer, 1.239 to two digits, and
 * 9007199254740993 to a double.
 */
export function misfits({ name, type, text }: TextColumn): Misfit[] {
  if (type === 'VARCHAR' || type === 'JSON' || type === NULL_TYPE) return [];
  const lost = lossOf(type, text);
  const wrong: Misfit = {
    condition: `(${text} is not null and (try_cast(${text} as ${type}) is null${lost ? ` or ${lost}` : ''}))`,
    reason: 'wrong_type',
    said: `${name} is not of type ${type}`,
  };
  if (!FLOATS.test(type)) return [wrong];
  const rounded: Misfit = {
    condition: rounding(type, text),
    reason: 'digits_lost',
    said: `${name} has more digits than a ${type} holds: declare it, such as hugeint or decimal(38,9), in columns`,
  };
  return [wrong, rounded];
}

/** SQL that is true of a text that a cast takes without a word, and does not keep as it is. */
export function losses({ type, text }: TextColumn): string[] {
  if (FLOATS.test(type)) return [rounding(type, text)];
  const lost = lossOf(type, text);
  return lost === undefined ? [] : [lost];
}

/** Integers of more digits than a float holds. */
function rounding(type: string, text: string): string {
  // As the number is, or as it is written by who writes no more digits than tell it apart. Null beyond 128 bits.
  const held = `try_cast(${text} as ${type})`;
  const same = `coalesce(try_cast(${text} as hugeint) in (try_cast(${held} as hugeint), try_cast(${held}::varchar as hugeint)), false)`;
  const least = type === 'DOUBLE' ? 2 ** 53 : 2 ** 24;
  const large = `coalesce(abs(${held}) >= ${least}, false) and regexp_full_match(${text}, '-?[0-9]+')`;
  // CASE, because both sides of an AND are computed for every text.
  return `(case when strlen(${text}) >= ${String(least).length} and not contains(${text}, '.')
    then (case when ${large} then not ${same} else false end) else false end)`;
}

/** What a cast would lose without a word. CASE, because both sides of an AND are computed for every text. */
function lossOf(type: string, text: string): string | undefined {
  // Looked for as bytes, which is cheaper than any pattern.
  const exponent = `contains(${text}, 'e') or contains(${text}, 'E')`;
  const differs = `try_cast(${text} as DOUBLE) <> try_cast(try_cast(${text} as ${type}) as DOUBLE)`;
  // 12.0 and 1e3 are integers all the same.
  if (INTEGERS.test(type)) return `(case when contains(${text}, '.') or ${exponent} then ${differs} else false end)`;
  const scale = DECIMAL.exec(type)?.[1];
  if (scale === undefined) return undefined;
  const digits = `regexp_matches(${text}, '\\.[0-9]{${scale}}[0-9]*[1-9]')`;
  const point = `instr(${text}, '.')`;
  return `(case when ${exponent} then ${differs} when ${point} > 0 and strlen(${text}) - ${point} > ${scale} then ${digits} else false end)`;
}

export const upperCased = (declared: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(declared).map(([name, type]) => [name, type.toUpperCase()]));
