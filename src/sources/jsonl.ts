import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digest } from '../base/ids.ts';
import { rows as queryRows, scan } from '../duckdb/scan.ts';
import { quoteIdentifier, quoteLiteral } from '../duckdb/types.ts';
import { ROW, type SourceContext, type SourceFault } from '../model/source.ts';
import type { FileFormat, FoundFile } from './format.ts';
import { type CleanLines, cleanLines, NOT_UTF8 } from './lines.ts';
import { assertSame } from './pinned.ts';

/**
 * JSON Lines: one object a line. Lines are read raw and taken apart one by one, so that a bad one is rejected by its
 * number, and never becomes a row of nulls. Blank lines are skipped.
 */
export const jsonl: FileFormat = {
  extensions: ['.jsonl', '.ndjson'],

  async *partitions(file, { columns }, context) {
    const types = await columnTypes(file, columns, context);
    yield {
      key: file.path,
      fingerprint: digest(file.path, String(file.size), String(file.modifiedMs)),
      rows: null,
      bytes: file.size,
      file: file.path,
      shape: digest(JSON.stringify(types)),
      spec: { path: file.path, size: file.size, modifiedMs: file.modifiedMs, types: JSON.stringify(types) },
    };
  },

  async open(file, spec, _options, context) {
    await assertSame(file, spec);
    const types = JSON.parse(String(spec.types)) as Record<string, string>;
    const folder = await mkdtemp(join(context.spool, 'jsonl-'));
    const clean = await cleanLines(file.absolute, join(folder, 'lines'), context.signal);
    const lines = rawLines(clean, types);
    const bad = badLine(types);
    return {
      relation: `select ${values(types)}, row as ${quoteIdentifier(ROW)} from (${lines}) where not (${bad})`,
      faults: () => faults(context, `select row, line, ${problem(types)} as problem from (${lines}) where ${bad}`),
      assertUnchanged: () => assertSame(file, spec, context.root),
      close: () => rm(folder, { recursive: true, force: true }),
    };
  },
};

async function columnTypes(
  file: FoundFile,
  declared: Readonly<Record<string, string>>,
  { duck }: SourceContext,
): Promise<Record<string, string>> {
  if (Object.keys(declared).length > 0) return upperCased(declared);
  const reader = `read_json(${quoteLiteral(file.absolute)}, format = 'newline_delimited', sample_size = -1, ignore_errors = true)`;
  const found = await duck.use((connection) =>
    queryRows(connection, `select column_name as name, column_type as type from (describe select * from ${reader})`),
  );
  return Object.fromEntries(found.map(({ name, type }) => [name, isNested(String(type)) ? 'JSON' : String(type)]));
}

const upperCased = (declared: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(declared).map(([name, type]) => [name, type.toUpperCase()]));

const isNested = (type: string) => /[[\]]$|^(STRUCT|MAP|UNION)\(/.test(type);

/** Bytes that the reader is given for a line at the least. */
const LEAST_ROOM = 1024 * 1024;

/**
 * Numbered lines, and each as a document where it is JSON: DuckDB asks a function of JSON about every line, whatever the
 * conditions around it, and one that is none would fail them all. A separator that no clean line holds makes each line
 * one column.
 */
function rawLines({ path, longest }: CleanLines, types: Readonly<Record<string, string>>): string {
  const room = Math.max(longest + 16, LEAST_ROOM);
  const options = [
    `columns = {'line': 'VARCHAR'}`,
    'auto_detect = false',
    'header = false',
    `delim = '\x01'`,
    `quote = ''`,
    `escape = ''`,
    'strict_mode = false',
    `max_line_size = ${room}`,
    `buffer_size = ${room * 2}`,
    'parallel = false',
  ];
  const lines = `select row_number() over () as row, line, case when json_valid(line) then line end as doc
    from read_csv(${quoteLiteral(path)}, ${options.join(', ')})`;
  // All texts in one go: a document is taken apart once, however many columns there are.
  const paths = Object.keys(types).map(pathTo).join(', ');
  return `select row, line, doc, json_extract_string(doc, [${paths}]::varchar[]) as texts from (${lines})`;
}

const pathTo = (name: string) => quoteLiteral(`$."${name.replaceAll('"', '\\"')}"`);
/** A column's value as text, by its place among the columns. */
const text = (position: number) => `texts[${position + 1}]`;
const isBlank = `trim(coalesce(line, '')) = ''`;
const isObject = `coalesce(json_type(doc) = 'OBJECT', false)`;
const isNotUtf8 = `starts_with(line, ${quoteLiteral(NOT_UTF8)})`;

function values(types: Readonly<Record<string, string>>): string {
  const list = Object.entries(types).map(
    ([name, type], position) => `${value(name, type, position)} as ${quoteIdentifier(name)}`,
  );
  return list.join(', ');
}

function value(name: string, type: string, position: number): string {
  if (type === 'JSON') return `(doc -> ${pathTo(name)})`;
  return type === 'VARCHAR' ? text(position) : `${text(position)}::${type}`;
}

/** Conditions under which a value is there and is not of its column's type, by column. */
function misfits(types: Readonly<Record<string, string>>): { name: string; type: string; condition: string }[] {
  return Object.entries(types).flatMap(([name, type], position) => {
    if (type === 'VARCHAR' || type === 'JSON') return [];
    const condition = `(${text(position)} is not null and try_cast(${text(position)} as ${type}) is null)`;
    return [{ name, type, condition }];
  });
}

function badLine(types: Readonly<Record<string, string>>): string {
  const conditions = misfits(types).map(({ condition }) => condition);
  // CASE, because the later conditions may only be asked of lines that passed the earlier ones.
  return `case when ${isBlank} then true when not ${isObject} then true else ${conditions.join(' or ') || 'false'} end`;
}

function problem(types: Readonly<Record<string, string>>): string {
  const cases = [
    [isBlank, 'blank'],
    [isNotUtf8, 'the line is not valid UTF-8'],
    ['doc is null', 'the line is not valid JSON'],
    [`not ${isObject}`, 'the line is not a JSON object'],
    ...misfits(types).map(({ name, type, condition }) => [condition, `${name} is not of type ${type}`]),
  ];
  return `case ${cases.map(([condition, said]) => `when ${condition} then ${quoteLiteral(said!)}`).join(' ')} end`;
}

async function* faults({ duck, signal }: SourceContext, query: string): AsyncIterable<SourceFault> {
  const connection = await duck.connect();
  try {
    for await (const batch of scan(connection, query, { signal })) {
      for (let index = 0; index < batch.numRows; index++) {
        const {
          row,
          line,
          problem: said,
        } = batch.get(index)!.toJSON() as { row: bigint; line: string; problem: string };
        if (said === 'blank') continue;
        const raw = line.startsWith(NOT_UTF8) ? { base64: line.slice(NOT_UTF8.length) } : line;
        const reason = /UTF-8/.test(said) ? 'invalid_utf8' : /of type/.test(said) ? 'wrong_type' : 'invalid_json';
        yield { row: Number(row), reason, message: said, raw: JSON.stringify(raw) };
      }
    }
  } finally {
    connection.close();
  }
}
