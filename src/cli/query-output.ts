import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { stripVTControlCharacters } from 'node:util';
import { writeArrowFile } from '../arrow/ipc-file.ts';
import { plainJson, plainText } from '../arrow/plain.ts';
import { DrayageError } from '../base/errors.ts';
import type { Lake, LakeStream } from '../lake/lake.ts';
import { plural, table } from './format.ts';

export type QueryFormat = 'table' | 'csv' | 'json' | 'parquet' | 'arrow';

export interface AnswerRequest {
  sql: string;
  params: Readonly<Record<string, string>>;
  format: QueryFormat;
  /** A file; left out: standard output. */
  output: string | undefined;
  /** Rows at most. */
  limit: number | undefined;
  signal: AbortSignal;
}

const TABLE_ROWS = 100;
/** Characters of a cell of a table. */
const CELL = 60;
const PIECE = 64 * 1024;

/** Asks, and writes the answer. @returns a remark on it for people, if there is one */
export async function writeAnswer(lake: Lake, request: AnswerRequest): Promise<string | undefined> {
  const { sql, params, format, output, signal, limit } = request;
  if (format === 'parquet') {
    const rows = await toFile(output!, (file) => lake.writeParquet(sql, file, { params, limit, signal }));
    return `${plural(rows, 'row')} written to ${output}.`;
  }
  const cap = format === 'table' ? (limit ?? TABLE_ROWS) : limit;
  // One more, so that it can be told that there are more.
  const more = format === 'table' ? cap! + 1 : cap;
  const form = format === 'arrow' ? 'nested' : 'plain';
  const answer = await lake.stream(sql, { params, form, signal, ...(more === undefined ? {} : { limit: more }) });
  if (format === 'arrow') {
    const rows = await toFile(output!, (file) => writeArrowFile(file, answer.schema, answer.batches));
    return `${plural(rows, 'row')} written to ${output}.`;
  }
  const told = { rows: 0, more: false, styled: output === undefined };
  const lines =
    format === 'table' ? tableText(answer, cap!, told) : format === 'csv' ? csv(answer, told) : json(answer, told);
  if (output !== undefined) {
    await toFile(output, (file) => pipeline(Readable.from(lines), createWriteStream(file)));
    return `${plural(told.rows, 'row')} written to ${output}.`;
  }
  await print(lines);
  return told.more ? `There are more rows; --limit shows more, --format csv or json all.` : undefined;
}

interface Told {
  rows: number;
  more: boolean;
  /** Whether titles may stand out. */
  styled: boolean;
}

async function* tableText({ columns, batches }: LakeStream, cap: number, told: Told): AsyncGenerator<string> {
  const rows: string[][] = [];
  for await (const batch of batches) {
    for (let row = 0; row < batch.numRows; row++) {
      const cells = batch.schema.fields.map((field, index) => plainText(field, batch.data.children[index]!, row));
      rows.push(cells.map((text) => (text === undefined ? 'NULL' : cut(text))));
    }
  }
  told.more = rows.length > cap;
  rows.length = Math.min(rows.length, cap);
  told.rows = rows.length;
  const text = table(
    rows,
    columns.map(({ name, type }, index) => ({
      title: cut(name),
      cell: (row) => row[index]!,
      right: /INT|DECIMAL|FLOAT|DOUBLE/.test(type) && !/[[(]\D/.test(type),
    })),
  );
  yield `${told.styled ? text : stripVTControlCharacters(text)}\n`;
  yield `(${plural(rows.length, 'row')}${told.more ? ' shown' : ''})\n`;
}

const cut = (text: string) => (text.length > CELL ? `${text.slice(0, CELL - 1)}…` : text);

/** RFC 4180 with a header; null is nothing, an empty text is in quotes. */
async function* csv({ columns, batches }: LakeStream, told: Told): AsyncGenerator<string> {
  yield `${columns.map(({ name }) => csvCell(name)).join(',')}\n`;
  for await (const batch of batches) {
    let text = '';
    for (let row = 0; row < batch.numRows; row++) {
      const cells = batch.schema.fields.map((field, index) => plainText(field, batch.data.children[index]!, row));
      text += `${cells.map((cell) => (cell === undefined ? '' : csvCell(cell))).join(',')}\n`;
      if (text.length > PIECE) {
        yield text;
        text = '';
      }
    }
    told.rows += batch.numRows;
    if (text !== '') yield text;
  }
}

function csvCell(text: string): string {
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** An array with a row on each line. */
async function* json({ columns, batches }: LakeStream, told: Told): AsyncGenerator<string> {
  const names = columns.map(({ name }) => JSON.stringify(name));
  let before = '[\n  ';
  for await (const batch of batches) {
    let text = '';
    for (let row = 0; row < batch.numRows; row++) {
      const members = batch.schema.fields.map(
        (field, index) => `${names[index]}:${plainJson(field, batch.data.children[index]!, row)}`,
      );
      text += `${before}{${members.join(',')}}`;
      before = ',\n  ';
      if (text.length > PIECE) {
        yield text;
        text = '';
      }
    }
    told.rows += batch.numRows;
    if (text !== '') yield text;
  }
  yield told.rows === 0 ? '[]\n' : '\n]\n';
}

/** Whoever reads may have enough before the end, as `head` does. */
async function print(lines: AsyncIterable<string>): Promise<void> {
  try {
    await pipeline(Readable.from(lines), process.stdout, { end: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
}

/** The file appears when it is complete. */
async function toFile<Result>(output: string, write: (file: string) => Promise<Result>): Promise<Result> {
  const part = `${output}~part`;
  try {
    const result = await write(part);
    await rename(part, output);
    return result;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!/^(ENOENT|EACCES|EISDIR|ENOTDIR|EROFS|EPERM|ENOSPC)$/.test(code ?? '')) throw error;
    throw new DrayageError('USAGE', `The answer cannot be written: ${message}`, {
      where: { file: output },
      cause: error,
    });
  } finally {
    await rm(part, { force: true });
  }
}
