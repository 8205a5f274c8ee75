import { DrayageError, EXIT } from '../../base/errors.ts';
import { didYouMean } from '../../base/suggest.ts';
import { bytes, plural } from '../format.ts';
import { type Verb, wholeNumber, withServices } from '../verb.ts';

const FORMATS = ['parquet', 'jsonl'];

export const exportVerb: Verb = {
  usage: 'export <table>',
  summary: 'write a table as a data set: shards of Parquet or JSON Lines, and a card, as Hugging Face reads them',
  options: [
    ['--to <place>', 'a folder, or s3://bucket/prefix'],
    ['--format <format>', 'parquet (default) or jsonl'],
    ['--shard-rows <n>', 'rows of a shard (default 100000)'],
    ['--overwrite', 'replace the shards that are there'],
  ],
  values: { '--format': FORMATS },
  example: 'dray export legal_samples --to exports/legal',
  async run(invocation) {
    const { args, options, out, signal } = invocation;
    const { to, format = 'parquet', shardRows = '100000', overwrite } = options;
    if (typeof to !== 'string' || to === '') {
      throw new DrayageError('USAGE', 'The place is missing', { hint: `Write ${exportVerb.example}.` });
    }
    if (!FORMATS.includes(String(format))) {
      throw new DrayageError('USAGE', `--format is "${format}".${didYouMean(String(format), FORMATS)}`, {
        hint: `Use ${FORMATS.join(' or ')}.`,
      });
    }
    const request = {
      table: args[0]!,
      to,
      format: format as 'parquet' | 'jsonl',
      shardRows: wholeNumber(shardRows, '--shard-rows'),
      overwrite: overwrite === true,
    };
    const exported = await withServices(invocation, { schema: false }, async (services) => {
      const { exportTable } = await import('../../runs/export-table.ts');
      return exportTable(services, request, signal);
    });
    out.answer(exported, () => {
      const { table, rows, files, bytes: size } = exported;
      return `${plural(rows, 'row')} of ${table} written to ${to} in ${plural(files.length - 1, 'shard')}, ${bytes(size)}.`;
    });
    return EXIT.done;
  },
};
