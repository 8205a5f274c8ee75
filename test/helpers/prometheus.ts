export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?(?:[0-9.]+(?:e[+-]?\d+)?|Inf)|\+Inf|NaN)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/g;
/** Units that are not the base units of Prometheus. */
const OTHER_UNITS = /_(ms|millis|milliseconds|minutes|hours|kb|mb|kib|mib|percent)(_|$)/;
/** Labels with as many values as there are partitions, rows or runs. */
const UNBOUNDED = ['partition', 'partition_id', 'run', 'file', 'row', 'key', 'attempt'];

/** @throws when a line is none of the text format */
export function samplesOf(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(sampleOf);
}

function sampleOf(line: string): Sample {
  const [, name, list = '', number] = LINE.exec(line) ?? [];
  const found = [...list.matchAll(LABEL)];
  if (name === undefined || found.map(([part]) => part).join('') !== list) throw new Error(`${line} cannot be read`);
  const labels = Object.fromEntries(found.map(([, key, value]) => [key!, unescapeLabel(value!)]));
  return { name, labels, value: Number(number!.replace('Inf', 'Infinity')) };
}

function unescapeLabel(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped));
}

/**
 * What `promtool check metrics` would find, and what the naming conventions ask for
 * (https://prometheus.io/docs/practices/naming/), in the text of a scrape.
 */
export function problemsOf(text: string): string[] {
  const problems: string[] = [];
  if (!text.endsWith('\n')) problems.push('the last line has no end');
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]));
  const helps = new Set([...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name!));
  let samples: Sample[] = [];
  try {
    samples = samplesOf(text);
  } catch (error) {
    problems.push((error as Error).message);
  }
  for (const [name, type] of types) {
    if (!helps.has(name)) problems.push(`${name} has no HELP`);
    if (type === 'counter' && !name.endsWith('_total')) problems.push(`the counter ${name} does not end in _total`);
    if (type !== 'counter' && name.endsWith('_total')) problems.push(`only counters end in _total, not ${name}`);
    if (OTHER_UNITS.test(name)) problems.push(`${name} is not in a base unit`);
    if (type === 'histogram') problems.push(...histogramProblems(name, samples));
  }
  const seen = new Set<string>();
  for (const { name, labels, value } of samples) {
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    if (!types.has(family)) problems.push(`${name} has no TYPE`);
    const identity = JSON.stringify([name, Object.entries(labels).sort()]);
    if (seen.has(identity)) problems.push(`${identity} is there twice`);
    seen.add(identity);
    for (const label of Object.keys(labels))
      if (UNBOUNDED.includes(label)) problems.push(`${name} has a label ${label}`);
    if (types.get(family) === 'counter' && !(value >= 0)) problems.push(`the counter ${name} is ${value}`);
  }
  return problems;
}

function histogramProblems(name: string, samples: readonly Sample[]): string[] {
  const problems: string[] = [];
  const series = ({ labels: { le: _, ...rest } }: Sample) => JSON.stringify(Object.entries(rest).sort());
  const buckets = Map.groupBy(
    samples.filter((sample) => sample.name === `${name}_bucket`),
    series,
  );
  for (const [labels, found] of buckets) {
    const bounds = found.map(({ labels: { le } }) => Number(le!.replace('Inf', 'Infinity')));
    if (bounds.some((bound, index) => index > 0 && bound <= bounds[index - 1]!))
      problems.push(`${name}: le does not rise`);
    if (found.some(({ value }, index) => index > 0 && value < found[index - 1]!.value)) problems.push(`${name} falls`);
    const of = (suffix: string) => samples.find((sample) => sample.name === name + suffix && series(sample) === labels);
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) problems.push(`${name} has no bucket +Inf`);
    else if (of('_count')?.value !== found.at(-1)!.value) problems.push(`${name}_count is not the last bucket`);
    if (!of('_sum')) problems.push(`${name} has no _sum`);
  }
  return problems;
}
