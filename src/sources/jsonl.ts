import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DrayageError } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import { rows as queryRows, scan } from '../duckdb/scan.ts';
import { NULL_TYPE, quoteIdentifier, quoteLiteral, quotePath } from '../duckdb/types.ts';
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

  async open(file, spec, { columns }, context) {
    await assertSame(file, spec);
    const types = JSON.parse(String(spec.types)) as Record<string, string>;
    const folder = await mkdtemp(join(context.spool, 'jsonl-'));
    const clean = await cleanLines(file.absolute, join(folder, 'lines'), context.signal);
    const lines = rawLines(clean, types, Object.keys(columns).length > 0);
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
  const reader = `read_json(${quotePath(file.absolute)}, format = 'newline_delimited', hive_partitioning = false, sample_size = -1, ignore_errors = true)`;
  return duck.use(async (connection) => {
    const found = (await queryRows(
      connection,
      `select column_name as name, column_type as type from (describe select * from ${reader})`,
    )) as unknown as { name: string; type: string }[];
    const ask = (expression: string) =>
      queryRows(
        connection,
        `select ${expression} as answer from read_json_objects(${quotePath(file.absolute)}, format = 'newline_delimited', hive_partitioning = false, ignore_errors = true)`,
      );
    await assertApart(file, found, ask);
    const types: Record<string, string> = {};
    for (const { name, type } of found) {
      // What DuckDB calls JSON is of several types, or always null; the latter goes into any column.
      const [some] = type === 'JSON' ? await ask(`bool_or(json_type(json, ${pathTo(name)}) <> 'NULL')`) : [];
      types[name] = some && !some.answer ? NULL_TYPE : isNested(type) ? 'JSON' : type;
    }
    return types;
  });
}

/**
 * DuckDB does not tell capitals from small letters, and gives the second of two such names another one, which no line has.
 * @throws SOURCE_INVALID
 */
async function assertApart(
  file: FoundFile,
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
    throw new DrayageError('SOURCE_INVALID', `The lines name a value "${one}" and "${other}"`, {
      where: { file: file.path },
      hint: 'DuckDB takes both for the same column. Write them alike, or name the one that counts with files(path, { columns }).',
    });
  }
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
 * @param declared whether the job says the types: texts may then be numbers
 */
function rawLines({ path, longest }: CleanLines, types: Readonly<Record<string, string>>, declared: boolean): string {
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
    'hive_partitioning = false',
  ];
  const lines = `select line, case when json_valid(line) and not ${isLenient} then line end as doc
    from read_csv(${quotePath(path)}, ${options.join(', ')})`;
  const digits = Object.values(types).some((type) => /^(JSON|DECIMAL)/.test(type) || (declared && type === 'VARCHAR'));
  // All texts in one go: a document is taken apart once, however many columns there are.
  const paths = `[${Object.keys(types).map(pathTo).join(', ')}]::varchar[]`;
  const exact = `list_transform(json_extract_string(marked, ${paths}), lambda t: ${unmarked('t')})`;
  // The numbers come last: no condition is moved below them, where all this would be computed once more.
  return `select row_number() over () as row, * from (
    select *, case when marked is null then json_extract_string(doc, ${paths}) else ${exact} end as texts
    from (select *, ${digits ? marked : 'null::varchar'} as marked from (${lines})))`;
}

const STRING = String.raw`"(?:[^"\\]|\\.)*"`;
/** What DuckDB takes for JSON and others do not: commas at the end, and numbers that are none. */
const LENIENT = String.raw`(?i)nan|inf|,\s*[}\]]`;
const mayBeLenient = [
  String.raw`regexp_matches(line, ',[ \t\r]*[}\]]')`,
  // Far quicker than one pattern.
  ...['NaN', 'nan', 'NAN', 'Inf', 'inf', 'INF'].map((word) => `contains(line, '${word}')`),
].join(' or ');
// CASE, because both sides of an AND are computed for every line.
const isLenient = `(case when ${mayBeLenient} then regexp_matches(regexp_replace(line, '${STRING}', '', 'g'), '${LENIENT}') else false end)`;

/**
 * A document whose numbers are put into strings, where DuckDB would not give them back as they are written: it reads
 * them into 64 bits. Null for all others.
 */
const FRAGILE = '[0-9.]{16}|[.][0-9]*0[^0-9]|[0-9][eE]';
const MARK = 'drayage\\u0001';
const isFragile = `case when regexp_matches(doc, '${FRAGILE}')
  then replace(json(doc)::varchar, ' ', '') <> replace(doc, ' ', '') and not contains(doc, '${MARK}') else false end`;
const ESCAPED_MARK = MARK.replace('\\', '\\\\');
const marked = `case when ${isFragile} then
  regexp_replace(replace(
    regexp_replace(doc, '(${STRING})|(-?[0-9][0-9.eE+-]*)', '\\1' || chr(3) || '\\2' || chr(3), 'g'), chr(3) || chr(3), ''),
    chr(3) || '([^' || chr(3) || ']*)' || chr(3), '"${ESCAPED_MARK}\\1${ESCAPED_MARK}"', 'g') end`;

/** The text of a value with its numbers bare again, be it the number itself or something that holds some. */
const unmarked = (text: string) =>
  `replace(replace(replace(${text}, '"${MARK}', ''), '${MARK}"', ''), 'drayage' || chr(1), '')`;

const pathTo = (name: string) => quoteLiteral(`$."${name.replaceAll('"', '\\"')}"`);
/** A column's value as text, by its place among the columns. */
const text = (position: number) => `texts[${position + 1}]`;
const isBlank = `trim(coalesce(line, '')) = ''`;
const isObject = `coalesce(json_type(doc) = 'OBJECT', false)`;
/** A key is there twice, and which of the two counts, every reader decides for itself. Most lines have the usual keys. */
function isAmbiguous(types: Readonly<Record<string, string>>): string {
  const usual = `[${Object.keys(types).map(quoteLiteral).join(', ')}]::varchar[]`;
  return `case when json_keys(doc) = ${usual} then false else len(json_keys(doc)) <> list_unique(json_keys(doc)) end`;
}
const isNotUtf8 = `starts_with(line, ${quoteLiteral(NOT_UTF8)})`;

function values(types: Readonly<Record<string, string>>): string {
  const list = Object.entries(types).map(
    ([name, type], position) => `${value(name, type, position)} as ${quoteIdentifier(name)}`,
  );
  return list.join(', ');
}

function value(name: string, type: string, position: number): string {
  if (type === NULL_TYPE) return 'null';
  if (type === 'JSON') {
    const path = pathTo(name);
    return `case when marked is null then doc -> ${path} else ${unmarked(`(marked -> ${path})::varchar`)}::json end`;
  }
  return type === 'VARCHAR' ? text(position) : `${text(position)}::${type}`;
}

/** Conditions under which a value does not go into its column, by column, and what is said of it then. */
function misfits(types: Readonly<Record<string, string>>): { said: string; condition: string }[] {
  return Object.entries(types).flatMap(([name, type], position) => {
    if (type === 'VARCHAR' || type === 'JSON' || type === NULL_TYPE) return [];
    const value = text(position);
    const condition = `(${value} is not null and try_cast(${value} as ${type}) is null)`;
    const misfit = { said: `${name} is not of type ${type}`, condition };
    if (type !== 'DOUBLE' && type !== 'FLOAT') return [misfit];
    const whole = `try_cast(${value} as hugeint)`;
    const rounded = `try_cast(${value} as ${type})`;
    // Null where even 128 bits are too few.
    const same = `coalesce(${whole} = try_cast(${rounded} as hugeint), false)`;
    const large = `coalesce(abs(${rounded}) >= ${type === 'DOUBLE' ? 2 ** 53 : 2 ** 24}, false)`;
    const lost = `case when ${large} then regexp_full_match(${value}, '-?[0-9]+') and not ${same} else false end`;
    const said = `${name} has more digits than a ${type} holds: declare it, such as hugeint or decimal(38,9), in columns`;
    return [misfit, { said, condition: lost }];
  });
}

function badLine(types: Readonly<Record<string, string>>): string {
  const conditions = misfits(types).map(({ condition }) => condition);
  // CASE, because the later conditions may only be asked of lines that passed the earlier ones.
  return `case when ${isBlank} then true when not ${isObject} then true else ${[isAmbiguous(types), ...conditions].join(' or ')} end`;
}

function problem(types: Readonly<Record<string, string>>): string {
  const cases = [
    [isBlank, 'blank'],
    [isNotUtf8, 'the line is not valid UTF-8'],
    ['doc is null', 'the line is not valid JSON'],
    [`not ${isObject}`, 'the line is not a JSON object'],
    [isAmbiguous(types), 'the line has a key twice'],
    ...misfits(types).map(({ condition, said }) => [condition, said]),
  ];
  return `case ${cases.map(([condition, said]) => `when ${condition} then ${quoteLiteral(said!)}`).join(' ')} end`;
}

const REASONS: readonly [said: RegExp, reason: string][] = [
  [/is not of type/, 'wrong_type'],
  [/more digits than/, 'digits_lost'],
  [/not valid UTF-8/, 'invalid_utf8'],
  [/a key twice/, 'duplicate_key'],
  [/JSON/, 'invalid_json'],
];

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
        const [, reason] = REASONS.find(([pattern]) => pattern.test(said))!;
        yield { row: Number(row), reason, message: said, raw: JSON.stringify(raw) };
      }
    }
  } finally {
    connection.close();
  }
}
