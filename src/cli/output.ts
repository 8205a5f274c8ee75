import { stripVTControlCharacters } from 'node:util';
import { DrayageError, explain } from '../base/errors.ts';
import { maskStrings, maskText } from '../base/secrets.ts';

/** Answers go to standard output, everything else to standard error. */
export class Output {
  readonly json: boolean;
  readonly verbose: boolean;

  constructor({ json, verbose }: { json: boolean; verbose: boolean }) {
    this.json = json;
    this.verbose = verbose;
  }

  /** The one answer of a command: a document for machines, or the text for people. */
  answer(document: unknown, text: () => string): void {
    process.stdout.write(`${this.json ? documentOf(document) : shown(text())}\n`);
  }

  /** A line that holds a secret which the user asked for. */
  secret(text: string): void {
    process.stdout.write(`${this.json ? JSON.stringify({ connect: text }) : text}\n`);
  }

  /** A remark on the side. */
  note(text: string): void {
    process.stderr.write(`${maskText(harmless(text))}\n`);
  }

  /** @returns the exit code */
  failure(error: unknown): number {
    const known = error instanceof DrayageError;
    process.stderr.write(`${maskText(`dray: ${harmless(explain(error))}`)}\n`);
    if (this.verbose || !known) process.stderr.write(`${maskText(stackOf(error))}\n`);
    if (this.json) {
      const { code, message, where, hint } = known
        ? error
        : { code: 'INTERNAL', message: String(error), where: {}, hint: undefined };
      process.stdout.write(`${documentOf({ error: { code, message, where, hint } })}\n`);
    }
    return known ? error.exit : 1;
  }
}

/** Without what would move the cursor or rename the window: names and rows of others are shown here. Colours stay. */
export function harmless(text: string): string {
  return text.replaceAll(/\x1b(?!\[[\d;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]/g, '');
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

/** Freed of colours where nobody would see them. */
function shown(text: string): string {
  const coloured = process.stdout.isTTY && !process.env.NO_COLOR;
  return maskText(harmless(coloured ? text : stripVTControlCharacters(text)));
}

function documentOf(answer: unknown): string {
  return JSON.stringify(answer, jsonValue, 2);
}

function jsonValue(key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : maskStrings(key, value);
}
