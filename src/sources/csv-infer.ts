import { rows } from '../duckdb/scan.ts';
import type { SourceContext } from '../model/source.ts';

const INTEGER = `'-?(0|[1-9][0-9]{0,17})'`;
const NUMBER = `'-?(0|[1-9][0-9]*)([.][0-9]+)?'`;
const FLOAT = `'-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?'`;
const UUID = `'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'`;
const DAY = '[0-9]{4}-[0-9]{2}-[0-9]{2}';
const TIME = '[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?';
const LARGEST_DECIMAL = 38;

/**
 * The types of columns of texts, from every one of them: a column is of a type when each of its texts is one that the type
 * gives back as it was, but for zeros behind the point. So `007` stays a text, and money a decimal.
 * @param texts a query with the columns c0, c1 …
 */
export async function inferTextTypes(
  texts: string,
  names: readonly string[],
  { duck }: Pick<SourceContext, 'duck'>,
): Promise<Record<string, string>> {
  const asked = names.map((_, index) => {
    const c = `c${index}`;
    const every = (condition: string) => `coalesce(bool_and(${condition}), false)`;
    const matches = (pattern: string) => `regexp_full_match(${c}, ${pattern})`;
    const moment = (pattern: string, type: string) =>
      every(`${matches(`'${pattern}'`)} and try_cast(${c} as ${type}) is not null`);
    return `{
      'integers': ${every(matches(INTEGER))}, 'numbers': ${every(matches(NUMBER))}, 'floats': ${every(matches(FLOAT))},
      'whole': coalesce(max(len(ltrim(split_part(${c}, '.', 1), '-'))), 0), 'scale': coalesce(max(len(split_part(${c}, '.', 2))), 0),
      'booleans': ${every(`${c} in ('true', 'false')`)}, 'uuids': ${every(matches(UUID))},
      'dates': ${moment(DAY, 'date')}, 'timestamps': ${moment(`${DAY}[ T]${TIME}`, 'timestamp')},
      'zoned': ${moment(`${DAY}[ T]${TIME}(Z|[-+][0-9]{2}(:?[0-9]{2})?)`, 'timestamptz')}
    }::json::varchar as "${c}"`;
  });
  const [found] = await duck.use((connection) => rows(connection, `select ${asked.join(', ')} from (${texts})`));
  return Object.fromEntries(names.map((name, index) => [name, typeOf(JSON.parse(String(found![`c${index}`])))]));
}

interface Found {
  integers: boolean;
  numbers: boolean;
  floats: boolean;
  whole: number;
  scale: number;
  booleans: boolean;
  uuids: boolean;
  dates: boolean;
  timestamps: boolean;
  zoned: boolean;
}

function typeOf(found: Found): string {
  if (found.integers) return 'BIGINT';
  if (found.numbers && found.whole + found.scale <= LARGEST_DECIMAL) {
    return `DECIMAL(${found.whole + found.scale},${found.scale})`;
  }
  // Numbers too long for a decimal would lose digits as doubles, and stay texts.
  if (found.floats && !found.numbers) return 'DOUBLE';
  if (found.booleans) return 'BOOLEAN';
  if (found.uuids) return 'UUID';
  if (found.dates) return 'DATE';
  if (found.timestamps) return 'TIMESTAMP';
  return found.zoned ? 'TIMESTAMPTZ' : 'VARCHAR';
}
