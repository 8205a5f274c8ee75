import type { RunReport } from '../runs/report.ts';
import { bar, count, duration } from './format.ts';
import type { Output } from './output.ts';

/** Between two plain lines, where there is no terminal to draw on. */
const PLAIN_EVERY_MS = 5_000;

/** Shows how far a run is: one live line on a terminal, a line every few seconds elsewhere. */
export class ProgressLine {
  readonly #out: Output;
  readonly #live = process.stderr.isTTY === true;
  #shownMs = Date.now();

  constructor(out: Output) {
    this.#out = out;
  }

  show(report: RunReport): void {
    if (this.#live) {
      const width = (process.stderr.columns ?? 80) - 1;
      process.stderr.write(`\r\x1b[2K${describe(report).slice(0, width)}`);
      return;
    }
    if (Date.now() - this.#shownMs < PLAIN_EVERY_MS) return;
    this.#shownMs = Date.now();
    this.#out.note(describe(report));
  }

  clear(): void {
    if (this.#live) process.stderr.write('\r\x1b[2K');
  }
}

function describe({ state, phase, percent, rows, rows_per_second, eta_seconds, partitions }: RunReport): string {
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
