import { DrayageError } from '../base/errors.ts';
import { rows } from '../duckdb/scan.ts';
import { quoteIdentifier, quoteLiteral } from '../duckdb/types.ts';
import { madeOf, type OpenRelation, type SourceContext } from '../model/source.ts';
import type { FoundFile, WholeOptions } from './format.ts';

/** What Hive and Spark write for a folder of nulls. */
const NULL_FOLDER = '__HIVE_DEFAULT_PARTITION__';

/**
 * Adds the columns that the job wants from `key=value` folders, of exactly the types it names: `007` stays `007` as
 * VARCHAR, and `NULL` is a text. They take the place of columns by the same name in the file.
 * @throws SOURCE_INVALID when the path lacks a folder, or its value is not of the type
 */
export async function withHive(
  opened: OpenRelation,
  file: FoundFile,
  { hive }: WholeOptions,
  { duck }: SourceContext,
): Promise<OpenRelation> {
  const wanted = Object.entries(hive);
  if (wanted.length === 0) return opened;
  const folders = new Map(
    file.path
      .split('/')
      .slice(0, -1)
      .flatMap((segment) => {
        const at = segment.indexOf('=');
        return at > 0 ? [[segment.slice(0, at), decoded(segment.slice(at + 1))] as const] : [];
      }),
  );
  const columns: string[] = [];
  try {
    for (const [name, type] of wanted) {
      const value = folders.get(name);
      if (value === undefined) throw invalid(file, `has no folder "${name}=…" in its path`);
      const literal = value === NULL_FOLDER ? 'null' : quoteLiteral(value);
      const cast = `${literal}::${type}`;
      await duck
        .use((connection) => rows(connection, `select ${cast} as value`))
        .catch((error) => {
          throw invalid(file, `has "${name}=${value}" in its path, which is not of type ${type}`, error);
        });
      columns.push(`${cast} as ${quoteIdentifier(name)}`);
    }
  } catch (error) {
    await opened.close();
    throw error;
  }
  const names = wanted.map(([name]) => quoteLiteral(name)).join(', ');
  const kept = `columns(name -> name not in (${names}))`;
  return madeOf(opened, `select ${kept}, ${columns.join(', ')} from (${opened.relation})`);
}

/** Names of folders are percent-encoded where they hold what a path cannot. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalid(file: FoundFile, problem: string, cause?: unknown): DrayageError {
  return new DrayageError('SOURCE_INVALID', `${file.path} ${problem}`, {
    hint: 'Mend the path, or the option hive of the source.',
    cause,
  });
}
