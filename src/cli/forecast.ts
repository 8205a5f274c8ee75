import type { Forecast } from '../runs/sample.ts';
import { bytes, count, duration, plural, table } from './format.ts';

const KINDS_SHOWN = 10;

/** What a sample has told, in words. @param concurrency partitions that a worker loads at the same time */
export function describeForecast({ tried, of, rejects, predicted }: Forecast, concurrency: number): string {
  if (of === 0) return 'Sample: every partition is loaded already, or cannot be; there is nothing to try.';
  const parts = [
    `Sample: ${count(tried.length)} of ${plural(of, 'partition')} loaded for a try and rolled back`,
    table(tried, [
      { title: 'partition', cell: ({ partition }) => partition },
      { title: 'read', cell: ({ rows }) => count(rows.read), right: true },
      { title: 'written', cell: ({ rows }) => count(rows.written), right: true },
      { title: 'unchanged', cell: ({ rows }) => count(rows.unchanged), right: true },
      { title: 'rejected', cell: ({ rows }) => count(rows.rejected), right: true },
      { title: 'time', cell: ({ seconds }) => duration(seconds), right: true },
      { title: '', cell: ({ problem }) => problem ?? '' },
    ]),
  ];
  if (rejects.length > 0) {
    parts.push(
      table(rejects.slice(0, KINDS_SHOWN), [
        { title: 'rejects', cell: ({ rows }) => count(rows), right: true },
        { title: 'column', cell: ({ column }) => column ?? '' },
        { title: 'reason', cell: ({ reason }) => reason },
        { title: 'row', cell: ({ example }) => (example.row === null ? '?' : count(example.row)), right: true },
        { title: 'example', cell: ({ example }) => `${example.partition}: ${example.message}` },
      ]),
    );
  }
  if (!predicted)
    return [...parts, 'None of them could be loaded, so nothing can be said about the rest.'].join('\n\n');
  const { rows, rejected, failed_partitions, seconds, grown_bytes, scaled_by } = predicted;
  const lines = [
    `Predicted by ${scaled_by}, for all that is to load:`,
    `  time      about ${duration(seconds)} one after the other, ${duration(seconds / concurrency)} at best with ${concurrency} at a time; indexes and statistics come on top`,
    `  rows      about ${count(rows)}, of which about ${count(rejected)} rejected`,
    `  size      the tables grow by about ${bytes(grown_bytes)}`,
    ...(failed_partitions > 0 ? [`  failures  about ${plural(failed_partitions, 'partition')}`] : []),
  ];
  return [...parts, lines.join('\n')].join('\n\n');
}
