import { DrayageError, EXIT } from '../../base/errors.ts';
import { didYouMean } from '../../base/suggest.ts';
import type { QueryFormat } from '../query-output.ts';
import { type Invocation, paramsOf, type Verb, wholeNumber } from '../verb.ts';

const FORMATS: readonly QueryFormat[] = ['table', 'csv', 'json', 'parquet', 'arrow'];

export const query: Verb = {
  usage: 'query [sql]',
  summary: 'ask a lake: one SELECT of DuckDB over its datasets, which can read nothing else and change nothing',
  options: [
    ['--lake <root>', 'its folder, or s3://bucket/prefix (default DRAYAGE_LAKE, else "lake")'],
    ['--file <file>', 'read the query from a file; - is standard input'],
    ['--param <key=value...>', 'value of $key in the query, as text; may be repeated'],
    ['--format <format>', 'table (default), csv, json, parquet or arrow'],
    ['--output <file>', 'write the answer into a file; parquet and arrow need one'],
    ['--limit <n>', 'rows at most (default 100 as a table, else all)'],
    ['--memory-mb <n>', 'memory of DuckDB (default 256)'],
    ['--threads <n>', 'threads of DuckDB (default the cores, at most 4)'],
  ],
  example: `dray query "select topic, count(*) as tickets from ticket where year = 2026 group by all"`,
  async run(invocation) {
    const { options, out, signal } = invocation;
    const format = formatOf(invocation);
    const output = options.output as string | undefined;
    const sql = await queryText(invocation);
    const limit = options.limit === undefined ? undefined : wholeNumber(options.limit, '--limit');
    const { writeAnswer } = await import('../query-output.ts');
    const lake = await openLake(invocation);
    try {
      const request = { sql, params: paramsOf(options), format, output, limit, signal };
      const note = await writeAnswer(lake, request);
      if (note) out.note(note);
      return EXIT.done;
    } finally {
      await lake.close();
    }
  },
};

/** The lake that `--lake` or the environment names. */
export async function openLake({ options, config }: Invocation) {
  const { Lake } = await import('../../lake/lake.ts');
  const given = (name: string, flag: string) =>
    options[name] === undefined ? {} : { [name]: wholeNumber(options[name], flag) };
  return new Lake({
    root: lakeRoot(options, config.lake),
    base: config.root,
    home: `${config.home}/lake-cache`,
    diskMb: config.spoolMb,
    ...given('memoryMb', '--memory-mb'),
    ...given('threads', '--threads'),
  });
}

export function lakeRoot(options: Record<string, unknown>, fallback: string): string {
  return (options.lake as string | undefined) ?? fallback;
}

function formatOf({ options, out }: Invocation): QueryFormat {
  const format = options.format ?? (out.json ? 'json' : 'table');
  if (!FORMATS.includes(format as QueryFormat)) {
    throw new DrayageError('USAGE', `--format is "${format}".${didYouMean(String(format), FORMATS)}`, {
      hint: `Use ${FORMATS.join(', ')}.`,
    });
  }
  if (out.json && format !== 'json') {
    throw new DrayageError('USAGE', `--json and --format ${format} exclude each other`, { hint: 'Give one of them.' });
  }
  if ((format === 'parquet' || format === 'arrow') && options.output === undefined) {
    throw new DrayageError('USAGE', `${format} goes into a file`, { hint: `Name it: --output answer.${format}.` });
  }
  return format as QueryFormat;
}

async function queryText({ args: [given], options: { file } }: Invocation): Promise<string> {
  if ((given === undefined) === (file === undefined)) {
    throw new DrayageError('USAGE', given === undefined ? 'The query is missing' : 'There are two queries', {
      hint: `Write ${query.example}, or --file FILE.`,
    });
  }
  if (given !== undefined) return given;
  if (file === '-') return (await process.stdin.setEncoding('utf8').toArray()).join('');
  const { readFile } = await import('node:fs/promises');
  return readFile(String(file), 'utf8').catch((cause) => {
    throw new DrayageError('USAGE', `The file with the query cannot be read: ${cause.message}`, {
      where: { file: String(file) },
      cause,
    });
  });
}
