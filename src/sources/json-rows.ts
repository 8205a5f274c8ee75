import { DrayageError } from '../base/errors.ts';
import type { Duck } from '../duckdb/instance.ts';
import { rows, scan } from '../duckdb/scan.ts';
import { NULL_TYPE, quoteIdentifier, quoteLiteral, quotePath } from '../duckdb/types.ts';
import { ROW, type SourceContext, type SourceFault } from '../model/source.ts';
import { type Attempt, type Made, uncheckedBy } from './deferred.ts';
import { COMPRESSION, type Here } from './here.ts';
import { type CleanLines, cleanLines, MARKED } from './json-clean.ts';
import { pathTo } from './json-infer.ts';
import { type Misfit, misfits as misfitsOf } from './text-types.ts';

type Types = Readonly<Record<string, string>>;

export interface LineOptions {
  types: Types;
  /** Whether the job says the types: texts may then be numbers. */
  declared: boolean;
  lenient: boolean;
  /** Number of the first line. */
  firstLine: number;
}

/** A file, and what is being found out about its lines. */
export interface LineSurvey {
  here: Here;
  look: Promise<CleanLines>;
  close(): Promise<void>;
}

/** Begins to look at the lines. @param here given back when the survey is closed */
export function surveyLines(here: Here, options: LineOptions): LineSurvey {
  const look = cleanLines(here, { ...cleaning(options), exact: false });
  // Whoever asks is told.
  look.catch(() => undefined);
  const close = async () => {
    await look.catch(() => undefined);
    await here.release();
  };
  return { here, look, close };
}

const cleaning = ({ types, lenient }: LineOptions) => ({ lenient, isJson: (name: string) => types[name] === 'JSON' });

const numbered = ({ firstLine }: LineOptions) => `row_number() over () + ${firstLine - 1} as ${quoteIdentifier(ROW)}`;

/** The rows of lines that are taken to be without fault, while that is being found out. */
export function uncheckedRows({ here, look, close }: LineSurvey, options: LineOptions): Attempt {
  const { read, misfits, numbers } = conditions(options);
  const list = Object.entries(options.types).map(([name, type]) => {
    const column = quoteIdentifier(name);
    return read[name] === type ? column : `${column}::${type} as ${column}`;
  });
  const unsound = [...misfits, ...numbers].join(' or ') || 'false';
  const sound = `case when ${unsound} then error('a line has to be looked at') else true end`;
  const expected = look.then(({ plain, lines }) => (plain && lines > 0 ? lines : undefined));
  return {
    relation: `select ${list.join(', ')}, ${numbered(options)} from ${reader(here, read)} where ${sound}`,
    unchecked: uncheckedBy(expected),
    close,
  };
}

/**
 * The rows of JSON Lines. There are two roads: DuckDB's own reader when every line is a row without fault, which is found
 * out first; otherwise lines are read raw and taken apart one by one, so that a bad one is rejected by its number, and
 * never becomes a row of nulls.
 */
export async function jsonRows(
  { here, look, close }: LineSurvey,
  options: LineOptions,
  context: SourceContext,
): Promise<Made> {
  const { types } = options;
  // One reads on this thread, the other on DuckDB's.
  const [first, found] = await Promise.all([look, check(here, options, context.duck)]);
  const sound = first.plain && first.lines > 0 && found?.lines === first.lines && found.misfits === 0;
  const clean = sound && found.numbers === 0 ? first : await cleanLines(here, { ...cleaning(options), exact: true });
  if (sound && clean.plain) {
    const list = Object.keys(types).map(quoteIdentifier).join(', ');
    const relation = `select ${list}, ${numbered(options)} from ${reader(here, types)}`;
    return { relation, faults: async function* () {}, close };
  }
  const lines = rawLines(here, clean, options);
  const bad = badLine(options);
  return {
    relation: `select ${values(types)}, row as ${quoteIdentifier(ROW)} from (${lines}) where not (${bad})`,
    faults: () => faults(context, `select row, line, ${problem(options)} as problem from (${lines}) where ${bad}`),
    close,
  };
}

/** Bytes that a reader is given for a line at the least. */
const LEAST_ROOM = 1024 * 1024;

const roomFor = ({ longest }: CleanLines) => Math.max(longest + 16, LEAST_ROOM);

/** The longest document that DuckDB's own reader is given; it takes a buffer of that size. */
const LONGEST_DOCUMENT = 16 * 1024 * 1024;

/** Types for which DuckDB's reader gives just what a cast of the text gives. */
const PLAIN_TYPES =
  /^(VARCHAR|JSON|BOOLEAN|U?(TINY|SMALL|BIG)?INT(EGER)?|DECIMAL\(.*\)|FLOAT|DOUBLE|DATE|TIMESTAMP|TIMESTAMP WITH TIME ZONE|TIMESTAMPTZ|UUID)$/;
const CHECKED_TYPES = /INT|DECIMAL|FLOAT|DOUBLE/;

function reader(here: Here, types: Types): string {
  const columns = Object.entries(types).map(([name, type]) => `${quoteLiteral(name)}: ${quoteLiteral(type)}`);
  const options = [
    `format = 'newline_delimited'`,
    'records = true',
    'hive_partitioning = false',
    `columns = {${columns.join(', ')}}`,
    `maximum_object_size = ${LONGEST_DOCUMENT}`,
    `compression = ${quoteLiteral(COMPRESSION[here.packing])}`,
  ];
  return `read_json(${quotePath(here.path)}, ${options.join(', ')})`;
}

/** Texts are compared by their bytes, which spares most of them the pattern. */
const mayBeNumber = (text: string) =>
  `(case when ${text} >= '-' and ${text} < ':' then regexp_full_match(${text}, '-?[0-9][0-9.eE+-]*') else false end)`;

interface Checked {
  lines: number;
  /** Values that are not exactly what their column's type can hold. */
  misfits: number;
  /** Values that may be numbers that DuckDB's reader does not keep as they are written. */
  numbers: number;
}

/** Whether DuckDB's own reader may be the one to read them. */
export const isPlain = ({ types }: LineOptions) => Object.values(types).every((type) => PLAIN_TYPES.test(type));

/** How columns are read to be looked at, and what is true of their values that DuckDB's reader may not give as they are. */
function conditions({ types, declared }: LineOptions) {
  const read: Record<string, string> = {};
  const [misfits, numbers]: [string[], string[]] = [[], []];
  for (const [name, type] of Object.entries(types)) {
    const column = quoteIdentifier(name);
    read[name] = CHECKED_TYPES.test(type) ? 'VARCHAR' : type;
    misfits.push(...misfitsOf({ name, type, text: column }).map(({ condition }) => condition));
    // A text column that was found out holds texts alone.
    if (type === 'VARCHAR' && declared) numbers.push(mayBeNumber(column));
    else if (type === 'JSON') numbers.push(`coalesce(regexp_matches(${column}::varchar, '[0-9]'), false)`);
    else if (/DECIMAL/.test(type))
      numbers.push(`coalesce(len(${column}) > 16 and regexp_matches(${column}, '^-?[0-9][0-9.]{15}'), false)`);
  }
  return { read, misfits, numbers };
}

/** What DuckDB's own reader makes of every line; undefined when it does not take one of them. */
async function check(here: Here, options: LineOptions, duck: Duck): Promise<Checked | undefined> {
  if (!isPlain(options)) return undefined;
  const { read, misfits, numbers } = conditions(options);
  // A column that nobody asks for is not looked at.
  const others = Object.entries(options.types)
    .filter(([name, type]) => read[name] === type && !/^(VARCHAR|JSON)$/.test(type))
    .map(([name]) => `0 * count(${quoteIdentifier(name)})`);
  const countOf = (some: string[]) => `count(*) filter (where ${some.join(' or ') || 'false'})`;
  const query = `select count(*) + ${others.join(' + ') || '0'} as lines, ${countOf(misfits)} as misfits, ${countOf(numbers)} as numbers
    from ${reader(here, read)}`;
  try {
    const [found] = await duck.use((connection) => rows(connection, query));
    return { lines: Number(found!.lines), misfits: Number(found!.misfits), numbers: Number(found!.numbers) };
  } catch (error) {
    if (error instanceof DrayageError && !error.transient) return undefined;
    throw error;
  }
}

/**
 * Numbered lines, and each as a document where it is JSON: DuckDB asks a function of JSON about every line, whatever the
 * conditions around it, and one that is none would fail them all. A separator that no clean line holds makes each line
 * one column.
 */
function rawLines(here: Here, clean: CleanLines, { types, firstLine }: LineOptions): string {
  const room = roomFor(clean);
  const options = [
    `columns = {'line': 'VARCHAR'}`,
    'auto_detect = false',
    'header = false',
    `delim = '\x01'`,
    `quote = ''`,
    `escape = ''`,
    `new_line = '\\n'`,
    'strict_mode = false',
    `max_line_size = ${room}`,
    `buffer_size = ${room * 2}`,
    `compression = ${quoteLiteral(COMPRESSION[clean.untouched ? here.packing : 'none'])}`,
    'parallel = false',
    'hive_partitioning = false',
  ];
  const lines = `select line, case when json_valid(line) then line end as doc
    from read_csv(${quotePath(clean.path)}, ${options.join(', ')})`;
  // All texts in one go: a document is taken apart once, however many columns there are.
  const paths = Object.keys(types).map(pathTo).join(', ');
  // The numbers come last: no condition is moved below them, where all this would be computed once more.
  return `select row_number() over () + ${firstLine - 1} as row, * from (
    select line, doc, json_extract_string(doc, [${paths}]::varchar[]) as texts from (${lines}))`;
}

/** A column's value as text, by its place among the columns. */
const text = (position: number) => `texts[${position + 1}]`;
const isBlank = `trim(coalesce(line, ''), e' \\t\\r') = ''`;
const isObject = `coalesce(json_type(doc) = 'OBJECT', false)`;
const isMarked = `starts_with(line, ${quoteLiteral(MARKED)})`;
const marked = (name: string) =>
  `(case when ${isMarked} then json_extract_string(doc, ${pathTo(`drayage:${name}`)}) end)`;
const hasTwins = `len(json_keys(doc)) > len(list_distinct(json_keys(doc)))`;

function values(types: Types): string {
  const list = Object.entries(types).map(
    ([name, type], position) => `${value(name, type, position)} as ${quoteIdentifier(name)}`,
  );
  return list.join(', ');
}

function value(name: string, type: string, position: number): string {
  if (type === NULL_TYPE) return 'null';
  // A null is no value, whatever the column.
  if (type === 'JSON') {
    return `case when ${isMarked} then ${text(position)}::JSON when json_type(doc, ${pathTo(name)}) <> 'NULL' then doc -> ${pathTo(name)} end`;
  }
  return type === 'VARCHAR' ? text(position) : `${text(position)}::${type}`;
}

function misfits(types: Types): Misfit[] {
  return Object.entries(types).flatMap(([name, type], position) => misfitsOf({ name, type, text: text(position) }));
}

function badLine({ types, lenient }: LineOptions): string {
  const conditions = misfits(types).map(({ condition }) => condition);
  if (!lenient) conditions.unshift(hasTwins);
  // CASE, because the later conditions may only be asked of lines that passed the earlier ones.
  return `case when ${isBlank} then true when not ${isObject} then true when ${marked('problem')} is not null then true
    else ${conditions.join(' or ') || 'false'} end`;
}

function problem({ types, lenient }: LineOptions): string {
  const cases = [
    [isBlank, quoteLiteral('blank')],
    ['doc is null', quoteLiteral('the line is not valid JSON')],
    [`not ${isObject}`, quoteLiteral('the line is not a JSON object')],
    [`${marked('problem')} is not null`, marked('problem')],
    ...(lenient ? [] : [[hasTwins, quoteLiteral('the object has a key twice')]]),
    ...misfits(types).map(({ said, condition }) => [condition, quoteLiteral(said)]),
  ];
  return `case ${cases.map(([condition, said]) => `when ${condition} then ${said}`).join(' ')} end`;
}

async function* faults({ duck, signal }: SourceContext, query: string): AsyncIterable<SourceFault> {
  const connection = await duck.connect();
  try {
    for await (const batch of scan(connection, query, { signal })) {
      for (let index = 0; index < batch.numRows; index++) {
        const found = batch.get(index)!.toJSON() as { row: bigint; line: string; problem: string };
        if (found.problem === 'blank') continue;
        yield { row: Number(found.row), reason: reasonOf(found.problem), message: found.problem, raw: rawOf(found) };
      }
    }
  } finally {
    connection.close();
  }
}

function reasonOf(said: string): string {
  if (said.includes('UTF-8')) return 'invalid_utf8';
  if (said.includes('twice')) return 'duplicate_key';
  if (said.includes('more digits than')) return 'digits_lost';
  return said.includes('of type') ? 'wrong_type' : 'invalid_json';
}

/** The line as it stands in the file, as JSON text. */
function rawOf({ line, problem: said }: { line: string; problem: string }): string {
  if (!line.startsWith(MARKED)) return JSON.stringify(line);
  const original = (JSON.parse(line) as Record<string, string>)['drayage:line'];
  return JSON.stringify(said.includes('UTF-8') ? { base64: original } : original);
}
