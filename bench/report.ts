export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Result {
  table: string;
  name: string;
  /** Median. */
  seconds: number;
  /** Median of the ratios to the floor, round by round. */
  ratio: number;
}

export function printTable(results: readonly Result[], peakRssMb: number, rows: number): void {
  console.log(`${rows} rows × 11 columns; medians\n`);
  console.log('| table | road | seconds | rows/s | ÷ floor |\n|---|---|---:|---:|---:|');
  for (const { table, name, seconds, ratio } of results) {
    const speed = Math.round(rows / seconds).toLocaleString('en-US');
    console.log(`| ${table} | ${name} | ${seconds.toFixed(2)} | ${speed} | ${ratio.toFixed(2)} |`);
  }
  console.log(`\nPeak memory of the Drayage worker: ${Math.round(peakRssMb)} MB`);
}
