import type { SourceColumn } from '../../sinks/infer.ts';

export interface DraftColumn {
  /** As the source calls it. */
  source: string;
  /** In the table; undefined when it has none for it. */
  column: string | undefined;
  /** Of the table's column. */
  type: string;
  /** DuckDB's type that it is cast to, where it is not the table's already. */
  cast?: string;
}

export interface DraftedJob {
  name: string;
  from:
    | { kind: 'files'; path: string /** Of CSV, where it is not the usual one. */; delimiter?: string }
    | { kind: 'table'; table: string; database: string | undefined };
  to: string;
  key: readonly string[];
  columns: readonly DraftColumn[];
  /** Types of the source's columns, where they are written down. */
  types: readonly SourceColumn[];
  /** File with the table's DDL; undefined when the table is there. */
  ddl: string | undefined;
}

/** The text of a job file. */
export function jobText(job: DraftedJob): string {
  const { name, from, to, key, ddl } = job;
  const options = [
    ...(ddl === undefined ? [] : [`ddl: ${literal(ddl)}`]),
    ...(key.length === 0 ? [] : [`key: [${key.map(literal).join(', ')}]`, `mode: 'upsert'`]),
  ];
  const given = options.length === 0 ? '' : `{ ${options.join(', ')} }`;
  const origin = from.kind === 'files' ? from.path : `table ${from.table}`;
  return `import { defineJob, ${from.kind === 'files' ? 'files' : 'postgres'}, sql, table } from 'drayage';

export default defineJob({
  name: ${literal(name)},
  description: ${literal(`${origin} into ${to}`)},
${sourceText(job)}
  // DuckDB's SQL: rename, cast, compute or leave out here. "dray plan ${name}" shows how each column travels.
  transform: sql\`
    select
${selectText(job)}
    from source\`,
  targets: { ${/^[a-z_][a-z0-9_]*$/i.test(to) ? to : literal(to)}: table(${given}) },
});
`;
}

function sourceText({ from, types }: DraftedJob): string {
  if (from.kind === 'table') {
    const database = from.database === undefined ? '' : `, database: ${literal(from.database)}`;
    return `  source: () => postgres({ table: ${literal(from.table)}${database} }),`;
  }
  const path = [
    '  params: {',
    `    path: { type: 'string', default: ${literal(from.path)}, help: 'file, folder, glob or s3:// prefix' },`,
    '  },',
  ];
  if (types.length === 0) return [...path, '  source: ({ path }) => files(path),'].join('\n');
  return [
    ...path,
    '  source: ({ path }) =>',
    '    files(path, {',
    ...(from.delimiter === undefined ? [] : [`      csv: { delimiter: ${literal(from.delimiter)} },`]),
    '      // As they were found; a row that does not fit is kept aside as a reject.',
    '      columns: {',
    ...types.map(({ name, type }) => `        ${property(name)}: ${literal(type)},`),
    '      },',
    '    }),',
  ].join('\n');
}

function selectText({ columns }: DraftedJob): string {
  const loaded = columns.filter(({ column }) => column !== undefined);
  const left = columns.filter(({ column }) => column === undefined);
  const lines = loaded.map(({ source, column, cast }, index) => {
    const comma = index === loaded.length - 1 ? '' : ',';
    const value = cast === undefined ? quoted(source) : `${quoted(source)}::${cast}`;
    return `      ${value}${source === column && cast === undefined ? '' : ` as ${quoted(column!)}`}${comma}`;
  });
  const remarks = left.map(({ source }) => `      -- ${quoted(source)}: the table has no such column`);
  return inTemplate([...lines, ...remarks].join('\n'));
}

/** In quotes, since which words DuckDB reserves changes from version to version. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""').replaceAll(/[\r\n]/g, ' ')}"`;
}

/** Template literals take backslashes, backticks and \${ for their own. */
function inTemplate(text: string): string {
  return text.replaceAll(/[\\`]|\$\{/g, '\\$&');
}

function property(name: string): string {
  return /^[a-z_$][\w$]*$/i.test(name) && name !== '__proto__' ? name : literal(name);
}

/** A string as TypeScript has it, in single quotes. */
function literal(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}
