import { rows } from '../duckdb/scan.ts';
import { NULL_TYPE, quoteLiteral, quotePath } from '../duckdb/types.ts';
import type { SourceContext } from '../model/source.ts';
import { COMPRESSION, type Here } from './here.ts';

/**
 * The columns of all lines of a file, of types that hold them all.
 * @throws SOURCE_INVALID when names differ in capitals only
 */
export async function inferJsonTypes(here: Here, { duck }: SourceContext): Promise<Record<string, string>> {
  const options = `format = 'newline_delimited', hive_partitioning = false, ignore_errors = true, compression = ${quoteLiteral(COMPRESSION[here.packing])}`;
  const path = quotePath(here.path);
  return duck.use(async (connection) => {
    const reader = `read_json(${path}, sample_size = -1, ${options})`;
    const found = (await rows(
      connection,
      `select column_name as name, column_type as type from (describe select * from ${reader})`,
    )) as unknown as { name: string; type: string }[];
    const ask = (expression: string) =>
      rows(connection, `select ${expression} as answer from read_json_objects(${path}, ${options})`);
    await assertApart(here, found, ask);
    const types: Record<string, string> = {};
    for (const { name, type } of found) {
      // What DuckDB calls JSON is of several types, or always null; the latter goes into any column.
      const [some] = type === 'JSON' ? await ask(`bool_or(json_type(json, ${pathTo(name)}) <> 'NULL')`) : [];
      types[name] = some && !some.answer ? NULL_TYPE : isNested(type) ? 'JSON' : type;
    }
    return types;
  });
}

/** DuckDB does not tell capitals from small letters, and gives the second of two such names another one, which no line has. */
async function assertApart(
  here: Here,
  found: readonly { name: string }[],
  ask: (expression: string) => Promise<Record<string, unknown>[]>,
): Promise<void> {
  const lower = new Set(found.map(({ name }) => name.toLowerCase()));
  for (const { name } of found) {
    const base = name.toLowerCase().replace(/_\d+$/, '');
    if (base === name.toLowerCase() || !lower.has(base)) continue;
    const [keys] = await ask(
      `to_json(list_sort(list_distinct(flatten(list(list_filter(json_keys(json), lambda k: lower(k) = ${quoteLiteral(base)}))))))`,
    );
    const [one, other] = JSON.parse(String(keys!.answer)) as string[];
    if (other === undefined) continue;
    throw here.invalid(
      `names a value "${one}" and "${other}"`,
      'DuckDB takes both for the same column. Write them alike, or name the one that counts with files(path, { columns }).',
    );
  }
}

/** Where a member stands in a document. */
export const pathTo = (name: string): string => quoteLiteral(`$."${name.replaceAll('"', '\\"')}"`);

const isNested = (type: string) => /[[\]]$|^(STRUCT|MAP|UNION)\(/.test(type);
