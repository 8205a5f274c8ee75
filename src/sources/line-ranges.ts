import type { FoundFile } from './format.ts';

export interface LineRange {
  /** First byte. */
  start: number;
  /** Byte after the last one. */
  end: number;
  /** Number of its first line. */
  firstLine: number;
}

const NEWLINE = 0x0a;
const PROBE_BYTES = 64 * 1024;

/**
 * Ranges of whole lines of about the same size. On disk the file is read through, so that lines have the numbers that an
 * editor shows. In S3 only the places where it is cut are looked at, and lines are numbered from the start of their range.
 */
export async function* lineRanges(
  file: FoundFile,
  wantedBytes: number,
  signal: AbortSignal,
): AsyncGenerator<LineRange> {
  const count = file.packing === 'none' ? Math.max(1, Math.round(file.size / wantedBytes)) : 1;
  const whole = { start: 0, end: file.size, firstLine: 1 };
  if (count === 1) yield whole;
  else yield* file.store.localPath(file) === undefined ? probed(file, 0, count, signal) : counted(file, count, signal);
}

async function* counted(file: FoundFile, count: number, signal: AbortSignal): AsyncGenerator<LineRange> {
  let range = { start: 0, end: 0, firstLine: 1 };
  let line = 1;
  let at = 0;
  let cuts = 1;
  for await (const piece of file.store.read(file, { start: 0, end: file.size }, signal)) {
    for (let next = piece.indexOf(NEWLINE); next !== -1; next = piece.indexOf(NEWLINE, next + 1)) {
      line++;
      const end = at + next + 1;
      if (end < (file.size * cuts) / count || end === file.size) continue;
      yield { ...range, end };
      range = { start: end, end, firstLine: line };
      while ((file.size * cuts) / count <= end) cuts++;
    }
    at += piece.length;
  }
  if (range.start < file.size) yield { ...range, end: file.size };
}

/** Looks only at the places where it is cut. @param first byte of the first range */
export async function* probed(
  file: FoundFile,
  first: number,
  count: number,
  signal: AbortSignal,
): AsyncGenerator<LineRange> {
  let start = first;
  for (let cuts = 1; cuts < count && start < file.size; cuts++) {
    const wanted = Math.floor((file.size * cuts) / count);
    if (wanted <= start) continue;
    const end = await lineEnd(file, wanted, signal);
    yield { start, end, firstLine: 1 };
    start = end;
  }
  if (start < file.size) yield { start, end: file.size, firstLine: 1 };
}

/** Where the line ends that holds a byte. */
async function lineEnd(file: FoundFile, position: number, signal: AbortSignal): Promise<number> {
  for (let start = position; start < file.size; start += PROBE_BYTES) {
    let at = start;
    for await (const piece of file.store.read(file, { start, end: Math.min(file.size, start + PROBE_BYTES) }, signal)) {
      const next = piece.indexOf(NEWLINE);
      if (next !== -1) return at + next + 1;
      at += piece.length;
    }
  }
  return file.size;
}
