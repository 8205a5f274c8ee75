import type { RunReport } from '../runs/report.ts';
import { bar, count, duration } from './format.ts';
import { harmless, type Output } from './output.ts';

/** Between two plain lines, where there is no terminal to draw on. */
const PLAIN_EVERY_MS = 5_000;

/** Text that is drawn over again on a terminal, and written every few seconds elsewhere. On standard error. */
export class LiveText {
  readonly #out: Output;
  readonly #live = process.stderr.isTTY === true;
  #lines = 0;
  #shownMs = Date.now();

  constructor(out: Output) {
    this.#out = out;
  }

  /** @param plain for where there is no terminal */
  show(text: string, plain = text): void {
    if (this.#live) {
      const width = (process.stderr.columns ?? 80) - 1;
      const lines = harmless(text)
        .split('\n')
        .map((line) => (line.length > width && !line.includes('\x1b') ? line.slice(0, width) : line));
      this.clear();
      process.stderr.write(lines.join('\n'));
      this.#lines = lines.length;
      return;
    }
    if (Date.now() - this.#shownMs < PLAIN_EVERY_MS) return;
    this.#shownMs = Date.now();
    this.#out.note(plain);
  }

  clear(): void {
    if (this.#lines > 1) process.stderr.write(`\x1b[${this.#lines - 1}F\x1b[0J`);
    else if (this.#lines === 1) process.stderr.write('\r\x1b[2K');
    this.#lines = 0;
  }
}

/** How far a run is, in one line. */
export function progressLine({
  state,
  phase,
  percent,
  rows,
  rows_per_second,
  eta_seconds,
  partitions,
}: RunReport): string {
  if (state === 'finalizing') return `${bar(100)} finishing: ${phase ?? 'indexes and statistics'}`;
  const { pending, running, done, skipped, failed } = partitions;
  const waiting = running === 0 && pending > 0 && state !== 'planning';
  const states = Object.entries({ done, skipped, running, pending, failed }).filter(([, number]) => number > 0);
  const parts = [
    `${bar(percent)} ${percent.toFixed(0).padStart(3)} %`,
    `${count(rows.read)} rows`,
    `${count(rows_per_second)} rows/s`,
    ...(eta_seconds === null ? [] : [`ETA ${duration(eta_seconds)}`]),
    `partitions: ${states.map(([name, number]) => `${count(number)} ${name}`).join(', ')}`,
    ...(waiting ? ['waiting for a worker; earlier runs go first'] : []),
  ];
  return parts.join(' · ');
}
