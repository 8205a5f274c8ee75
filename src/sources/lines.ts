import { isUtf8 } from 'node:buffer';
import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Begins a line that was not UTF-8; its bytes follow in base64. */
export const NOT_UTF8 = '\x02not utf-8 ';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** The column separator that the line reader is given. */
const SEPARATOR = 0x01;
const STAND_IN = 0x02;

export interface CleanLines {
  path: string;
  /** Bytes of the longest line, so that a reader knows how much room it needs. */
  longest: number;
}

/**
 * A file with the same lines that DuckDB can read line by line: UTF-8 throughout, ended by \n alone, without the
 * separator. Most files are that already and are returned as they are; others are copied with the offending lines
 * replaced, so that their numbers stay right and each is rejected by its number.
 * @param copy where the copy goes, if one is needed
 */
export async function cleanLines(file: string, copy: string, signal: AbortSignal): Promise<CleanLines> {
  let clean = true;
  let longest = 0;
  for await (const block of wholeLines(file)) {
    signal.throwIfAborted();
    clean &&= isClean(block);
    for (let start = 0; start < block.length; ) {
      const end = lineEnd(block, start);
      longest = Math.max(longest, end - start);
      start = end + 1;
    }
  }
  if (clean) return { path: file, longest };
  await pipeline(Readable.from(cleanedBlocks(file)), createWriteStream(copy), { signal });
  // A line that is kept in base64 takes a third more.
  return { path: copy, longest: Math.ceil(longest * 1.4) + NOT_UTF8.length };
}

function lineEnd(block: Buffer, start: number): number {
  const newline = block.indexOf(NEWLINE, start);
  return newline === -1 ? block.length : newline;
}

function isClean(bytes: Buffer): boolean {
  return !bytes.includes(RETURN) && !bytes.includes(SEPARATOR) && isUtf8(bytes);
}

async function* cleanedBlocks(file: string): AsyncGenerator<Buffer> {
  for await (const block of wholeLines(file)) yield isClean(block) ? block : cleanBlock(block);
}

function cleanBlock(block: Buffer): Buffer {
  const lines: Buffer[] = [];
  for (let start = 0; start < block.length; ) {
    const end = lineEnd(block, start);
    lines.push(cleanLine(block.subarray(start, end)));
    if (end < block.length) lines.push(Buffer.of(NEWLINE));
    start = end + 1;
  }
  return Buffer.concat(lines);
}

function cleanLine(line: Buffer): Buffer {
  const bare = line.at(-1) === RETURN ? line.subarray(0, -1) : line;
  if (isClean(bare)) return bare;
  if (!isUtf8(bare)) return Buffer.from(NOT_UTF8 + bare.toString('base64'));
  // Bare control characters are not JSON; the stand-in is neither, so the line is rejected, as it should be.
  return Buffer.from(bare.map((byte) => (byte === RETURN || byte === SEPARATOR ? STAND_IN : byte)));
}

/** The file in blocks that end with a line, except perhaps the last. */
async function* wholeLines(file: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  for await (const piece of createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    const end = piece.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      rest.push(piece);
      continue;
    }
    yield Buffer.concat([...rest, piece.subarray(0, end)]);
    rest = [piece.subarray(end)];
  }
  const last = Buffer.concat(rest);
  if (last.length > 0) yield last;
}
