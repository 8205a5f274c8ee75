import { DrayageError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';

export interface CsvOptions {
  /**
   * True: the first line names the columns (default). False: it does not, and the columns are those of `columns` in
   * their order. A list: these are the names, and every line is data.
   */
  header?: boolean | readonly string[];
  /** One character. Default a comma, for TSV a tab. */
  delimiter?: string;
  /** One character, or none with ''. Default a double quote. */
  quote?: string;
  /** What stands before a quote inside of quotes. Default the quote itself. */
  escape?: string;
  /** Texts that mean null where they stand without quotes. Default the empty one. */
  null?: string | readonly string[];
  /** Whether these texts mean null in quotes, too. Default no: "" is an empty text. */
  quotedNull?: boolean;
  /** Lines above the header that are left out. Default 0. */
  skip?: number;
}

/** With every default, as bytes where bytes are compared. */
export interface Dialect {
  header: boolean | readonly string[];
  delimiter: number;
  /** 0 where there are no quotes. */
  quote: number;
  escape: number;
  nulls: readonly string[];
  quotedNull: boolean;
  skip: number;
}

const FIELDS = ['header', 'delimiter', 'quote', 'escape', 'null', 'quotedNull', 'skip'];

/** What separates fields where commas do not. */
const OTHERS = [';', '\t', '|'];

/** A file that was written with another delimiter than the one it is read with. */
export class OtherDelimiter extends DrayageError {
  readonly delimiter: string;

  constructor(file: string, header: string, delimiter: string) {
    const shown = JSON.stringify(delimiter);
    super('SOURCE_INVALID', `The only column would be "${header}": its fields seem to be separated by ${shown}`, {
      where: { file },
      hint: `Say csv: { delimiter: ${shown} } in the job, or --param csv.delimiter='${delimiter}'; a comma there leaves it as it is.`,
    });
    this.delimiter = delimiter;
  }
}

/** @throws OtherDelimiter when a file with these columns was hardly meant to have just one */
export function assertSeparated(file: string, columns: readonly string[], { delimiter }: CsvOptions): void {
  const [header] = columns;
  if (delimiter !== undefined || columns.length !== 1 || header === undefined) return;
  const other = OTHERS.find((one) => header.includes(one));
  if (other !== undefined) throw new OtherDelimiter(file, header, other);
}

/** @throws JOB_INVALID with the option at fault */
export function checkCsv(options: CsvOptions): void {
  const unknown = Object.keys(options).find((field) => !FIELDS.includes(field));
  if (unknown) throw invalid(unknown, `is unknown.${didYouMean(unknown, FIELDS)}`);
  const { delimiter, quote, skip = 0 } = options;
  for (const [field, text] of Object.entries({ delimiter, quote, escape: options.escape })) {
    const none = field === 'quote' && text === '';
    if (text !== undefined && !none && !/^[\x01-\x7f]$/.test(text)) throw invalid(field, 'is not one ASCII character');
    if (text === '\n' || text === '\r') throw invalid(field, 'is a line end');
  }
  if (delimiter !== undefined && delimiter === (quote ?? '"')) throw invalid('delimiter', 'is the quote as well');
  if (!Number.isInteger(skip) || skip < 0) throw invalid('skip', `is ${skip}, not a whole number`);
}

export function dialectOf(options: CsvOptions, delimiter: string): Dialect {
  const quote = options.quote ?? '"';
  const nulls = options.null ?? '';
  return {
    header: options.header ?? true,
    delimiter: (options.delimiter ?? delimiter).charCodeAt(0),
    quote: quote === '' ? 0 : quote.charCodeAt(0),
    escape: (options.escape ?? (quote || '"')).charCodeAt(0),
    nulls: typeof nulls === 'string' ? [nulls] : nulls,
    quotedNull: options.quotedNull ?? false,
    skip: options.skip ?? 0,
  };
}

function invalid(field: string, problem: string): DrayageError {
  return new DrayageError('JOB_INVALID', `The source is wrong: csv.${field} ${problem}`, {
    where: { field: `files.csv.${field}` },
  });
}
