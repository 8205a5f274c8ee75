import { MEMORY_MB, type Scenario } from './scenarios.ts';

/** Seconds by scenario and road, one for each round. */
export type Timings = Record<string, Record<string, number[]>>;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median of the ratios round by round, so that a slow minute of the machine weighs on both sides. */
function ratio(times: readonly number[], over: readonly number[] | undefined): number | undefined {
  return over && median(times.map((time, round) => time / over[round]!));
}

export function printReport(
  scenarios: readonly Scenario[],
  timings: Timings,
  memory: Readonly<Record<string, number>>,
): void {
  console.log('| measure | seconds | over | ratio | bound | memory |\n|---|---:|---|---:|---:|---:|');
  for (const { name, over, bound } of scenarios) {
    const found = timings[name]!;
    const base = found[over as string];
    const value = ratio(found.drayage!, base);
    const mb = Math.round(memory[name]!);
    const cells = [name, median(found.drayage!).toFixed(2), `${over}${base ? ` (${median(base).toFixed(2)} s)` : ''}`];
    console.log(`| ${[...cells, value?.toFixed(2) ?? '?', `≤ ${bound}`, `${mb} MB (≤ ${MEMORY_MB})`].join(' | ')} |`);
    for (const [road, times] of Object.entries(found)) {
      if (road === over || road === 'drayage') continue;
      const slower = ratio(times, found.drayage)!.toFixed(2);
      console.log(`| ${name}: ${road} | ${median(times).toFixed(2)} | drayage | ${slower} | | |`);
    }
  }
}
