import { quoteIdentifier, quotePath } from '../duckdb/types.ts';
import type { LakeFile } from '../model/manifest.ts';

/** With more different sets of columns, DuckDB compares the files' own footers instead. */
const GROUPS = 16;
const NUMBERED = new Set(['year', 'month', 'day']);

/**
 * A dataset as a query: the columns of all its files by name, and those that the folders name. What the manifest says of
 * columns saves opening every file to see.
 * @param pathOf where a file lies on this machine
 */
export function relationOf(files: readonly LakeFile[], pathOf: (file: LakeFile) => string): string {
  const keys = foldersOf(files);
  const types = keys.map((key) => `${quoteIdentifier(key)}: ${NUMBERED.has(key) ? 'INTEGER' : 'VARCHAR'}`);
  const hive =
    keys.length > 0 ? `hive_partitioning = true, hive_types = {${types.join(', ')}}` : 'hive_partitioning = false';
  const groups = Map.groupBy(files, ({ columns }) => JSON.stringify(columns));
  const read = (some: readonly LakeFile[], byName: boolean) =>
    `select * from read_parquet([${some.map((file) => quotePath(pathOf(file))).join(', ')}], union_by_name = ${byName}, ${hive})`;
  const all =
    groups.size > GROUPS
      ? read(files, true)
      : [...groups.values()].map((group) => read(group, false)).join(' union all by name ');
  if (keys.length === 0) return all;
  const last = keys.map(quoteIdentifier).join(', ');
  return `select * exclude (${last}), ${last} from (${all})`;
}

/**
 * The keys of folders `key=value`: columns that are known without opening a file. A key that the files have a column for
 * stays what the files say, and so do all.
 */
function foldersOf(files: readonly LakeFile[]): string[] {
  const keys = new Set(files.flatMap(({ path }) => [...path.matchAll(/([^/=]+)=[^/]*\//g)].map(([, key]) => key!)));
  const columns = new Set(files.flatMap((file) => file.columns.map(({ name }) => name.toLowerCase())));
  return [...keys].some((key) => columns.has(key.toLowerCase())) ? [] : [...keys];
}
