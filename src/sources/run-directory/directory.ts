import { isUtf8 } from 'node:buffer';
import { constants, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { matchesGlob } from 'node:path';
import { parseJson } from '../../base/json.ts';
import type { SourceFault } from '../../model/source.ts';
import { inOrder } from './in-order.ts';
import { type ListedFile, unreadable } from './listing.ts';
import type { MarkdownDocument } from './markdown.ts';
import { Near } from './near.ts';

/** How a file is read. */
export type RunFileFormat = 'json' | 'markdown' | 'text';

/** A file of a run. */
export interface RunFile {
  /** Relative to the directory, with forward slashes. */
  path: string;
  bytes: number;
  modifiedAt: Date;
  format: RunFileFormat;
  /** All of it, as it is. */
  text: string;
  /** With format `json`: the value; numbers that JavaScript cannot hold keep their digits. */
  json?: unknown;
  /** With format `markdown`. */
  markdown?: MarkdownDocument;
}

/** One run: its directory, and what was found in it. */
export class RunDirectory {
  /** The name of the directory. */
  readonly name: string;
  /** What the job says about every run. */
  readonly given: Readonly<Record<string, string>>;
  /** In the order of their paths; those that cannot be read are rejects, and not here. */
  readonly files: readonly RunFile[];
  /** What is missing or odd, for `emit.warn`. */
  readonly warnings: readonly string[];

  constructor(
    name: string,
    given: Readonly<Record<string, string>>,
    files: readonly RunFile[],
    warnings: readonly string[],
  ) {
    this.name = name;
    this.given = given;
    this.files = files;
    this.warnings = warnings;
  }

  file(path: string): RunFile | undefined {
    return this.files.find((file) => file.path === path);
  }

  /** @param pattern a glob over the paths, such as `stage5/opportunity-*.md` */
  matching(pattern: string): RunFile[] {
    return this.files.filter(({ path }) => matchesGlob(path, pattern));
  }

  /** When the files were last changed; undefined without files. */
  get modified(): { first: Date; last: Date } | undefined {
    if (this.files.length === 0) return undefined;
    const times = this.files.map(({ modifiedAt }) => modifiedAt.getTime());
    return { first: new Date(Math.min(...times)), last: new Date(Math.max(...times)) };
  }

  /** As it is kept with a reject. */
  toJSON(): unknown {
    return { run: this.name, files: Object.fromEntries(this.files.map(({ path, text }) => [path, text])) };
  }
}

/** Larger ones are rejected: a run is held in memory as a whole. */
const MOST_FILE_BYTES = 64 * 1024 * 1024;
/** Those that are read in this thread, if they are near. */
const SMALL_BYTES = 256 * 1024;
/** What has become a pipe since it was looked at must not hold the thread. */
const flag = constants.O_RDONLY | constants.O_NONBLOCK;
const contents = new Near<[path: string], Buffer>((path) => readFileSync(path, { flag }), readFile);
/** Files of a run that are read at the same time. */
const AT_ONCE = 8;

export interface ReadOptions {
  given: Readonly<Record<string, string>>;
  /** How a path is read. */
  formatOf: (path: string) => RunFileFormat | undefined;
  /** Globs of which each should match some file. */
  expect: readonly string[];
  signal: AbortSignal;
}

/**
 * Reads the files of a run.
 * @throws SOURCE_UNREADABLE, SOURCE_CHANGED
 */
export async function readDirectory(
  name: string,
  listed: readonly ListedFile[],
  { given, formatOf, expect, signal }: ReadOptions,
): Promise<{ directory: RunDirectory; faults: SourceFault[] }> {
  const files: RunFile[] = [];
  const faults: SourceFault[] = [];
  const warnings = expect
    .filter((pattern) => !listed.some(({ path }) => matchesGlob(path, pattern)))
    .map((pattern) => `${pattern} is missing`);
  const reading = inOrder(listed, AT_ONCE, async (one) => ({
    one,
    found: await readOne(one, formatOf(one.path) ?? 'text'),
  }));
  for await (const { one, found } of reading) {
    signal.throwIfAborted();
    if ('fault' in found) {
      // The run itself is the first row.
      const { reason, message, raw } = found.fault;
      faults.push({ row: faults.length + 2, reason, message: `${one.path}: ${message}`, raw });
      continue;
    }
    files.push(found.file);
    if (found.file.markdown?.problem) warnings.push(`${one.path}: ${found.file.markdown.problem}`);
  }
  return { directory: new RunDirectory(name, given, files, warnings), faults };
}

type Read = { file: RunFile } | { fault: Omit<SourceFault, 'row'> };

async function readOne({ path, absolute, bytes, modifiedNs }: ListedFile, format: RunFileFormat): Promise<Read> {
  if (bytes > MOST_FILE_BYTES) {
    const message = `${bytes} bytes are more than ${MOST_FILE_BYTES}`;
    return { fault: { reason: 'too_large', message, raw: JSON.stringify({ file: path }) } };
  }
  const reading = bytes > SMALL_BYTES ? readFile(absolute) : contents.ask(absolute);
  const content = await reading.catch((error) => {
    throw unreadable(absolute, error);
  });
  if (!isUtf8(content)) {
    const raw = JSON.stringify({ file: path, base64: content.toString('base64') });
    return { fault: { reason: 'invalid_utf8', message: 'it is not valid UTF-8', raw } };
  }
  // A mark of byte order belongs to the file, not to its text.
  const text = content.toString('utf8').replace(/^\ufeff/, '');
  const file = { path, bytes, modifiedAt: new Date(Number(modifiedNs / 1_000_000n)), format, text };
  if (format === 'text') return { file };
  if (format === 'markdown') {
    // With what it needs for YAML it takes 15 MB: only of those who have such files.
    const { readMarkdown } = await import('./markdown.ts');
    return { file: { ...file, markdown: readMarkdown(text) } };
  }
  try {
    return { file: { ...file, json: parseJson(text) } };
  } catch (error) {
    const message = `it is not valid JSON: ${(error as Error).message}`;
    return { fault: { reason: 'invalid_json', message, raw: JSON.stringify({ file: path, text }) } };
  }
}
