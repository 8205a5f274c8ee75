// The charts of a run, by uPlot, from the samples that the API has.

const HEIGHT = 190;

/** From the ground up. */
const STATES = [
  ['done', 'done', '--done'],
  ['skipped', 'unchanged', '--skipped'],
  ['failed', 'failed', '--failed'],
  ['cancelled', 'cancelled', '--cancelled'],
  ['running', 'running', '--running'],
  ['pending', 'pending', '--pending'],
];

/** Seconds that a clock has names for. */
const STEPS = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400, 604_800,
];

const drawn = new WeakMap();
const numbers = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** Draws the charts below an element, or brings them up to date. */
export async function drawCharts(element) {
  const known = drawn.get(element) ?? { asking: false, again: false, plots: [], text: '' };
  drawn.set(element, known);
  known.again = known.asking;
  if (known.asking) return;
  known.asking = true;
  try {
    const response = await fetch(element.dataset.samples, { cache: 'no-store' });
    const text = response.ok ? await response.text() : known.text;
    if (text !== known.text) {
      known.text = text;
      draw(element, known, JSON.parse(text).samples);
    }
  } catch {
    // The page says that it is reconnecting.
  }
  known.asking = false;
  if (known.again) drawCharts(element);
}

function draw(element, known, samples) {
  const data = { speed: speedOf(samples), states: statesOf(samples) };
  if (known.plots.length === 0) {
    for (const place of element.querySelectorAll('[data-chart]'))
      known.plots.push(plot(place, data[place.dataset.chart]));
    new ResizeObserver(() => resize(known.plots)).observe(element);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      for (const { chart } of known.plots) chart.redraw(false, true);
    });
  }
  for (const { kind, chart } of known.plots) chart.setData(data[kind]);
}

function speedOf(samples) {
  return [samples.map(({ seconds }) => seconds), samples.map(({ rows_per_second }) => rows_per_second)];
}

/** Each state on top of those before it, the highest first, so that the lower ones are painted over it. */
function statesOf(samples) {
  const sums = samples.map(() => 0);
  const layers = STATES.map(([state]) =>
    samples.map((sample, index) => (sums[index] += sample[`partitions_${state}`])),
  );
  return [samples.map(({ seconds }) => seconds), ...layers.reverse()];
}

function plot(place, data) {
  const kind = place.dataset.chart;
  const series = kind === 'speed' ? [line('--running')] : STATES.toReversed().map(([, , colour]) => area(colour));
  const tip = document.createElement('div');
  tip.className = 'tip';
  tip.hidden = true;
  document.body.append(tip);
  const options = {
    width: place.clientWidth,
    height: HEIGHT,
    scales: {
      x: { time: false },
      y: { range: (_plot, _low, high) => [0, high > 0 ? high * (kind === 'speed' ? 1.1 : 1) : 1] },
    },
    axes: [{ ...axis(duration, 34), incrs: STEPS }, axis((value) => numbers.format(value), 48)],
    cursor: { points: { show: kind === 'speed' }, y: false },
    series: [{}, ...series],
    hooks: { setCursor: [(chart) => tell(chart, tip, kind)] },
  };
  return { kind, place, chart: new uPlot(options, data, place) };
}

const colour = (name) => () =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim() && resolved(name);

/** `light-dark()` as the canvas understands it. */
function resolved(name) {
  const probe = document.createElement('span');
  probe.hidden = true;
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** The speed between two samples is one figure, hence a step. */
const line = (name) => ({
  stroke: colour(name),
  width: 1.6,
  points: { show: false },
  paths: uPlot.paths.stepped({ align: -1 }),
});
const area = (name) => ({ stroke: colour(name), fill: colour(name), width: 0, points: { show: false } });

function axis(format, size) {
  return {
    stroke: colour('--quiet'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
    font: '12px ui-sans-serif, system-ui, sans-serif',
    size,
    values: (_plot, values) => values.map((value) => (value === null ? '' : format(value))),
  };
}

function duration(seconds) {
  if (seconds < 120) return `${Number(seconds.toFixed(1))} s`;
  return seconds < 7_200 ? `${Number((seconds / 60).toFixed(1))} min` : `${Number((seconds / 3600).toFixed(1))} h`;
}

function tell(chart, tip, kind) {
  const { idx, left, top } = chart.cursor;
  tip.hidden = idx === null || idx === undefined || left < 0;
  if (tip.hidden) return;
  const value = (series) => chart.data[series][idx] ?? 0;
  const lines = [`after ${duration(chart.data[0][idx])}`];
  if (kind === 'speed') lines.push(`${whole.format(value(1))} rows/s`);
  else {
    for (const [index, [, label]] of STATES.entries()) {
      const series = STATES.length - index;
      const count = value(series) - (index === 0 ? 0 : value(series + 1));
      if (count > 0) lines.push(`${whole.format(count)} ${label}`);
    }
  }
  tip.textContent = lines.join('\n');
  const box = chart.over.getBoundingClientRect();
  place(tip, box.left + left, box.top + top);
}

/** Puts a tip beside a point, where it does not leave the window. */
export function place(tip, x, y) {
  const width = tip.offsetWidth;
  tip.style.left = `${Math.max(4, x + 14 + width > innerWidth ? x - width - 14 : x + 14)}px`;
  tip.style.top = `${Math.max(4, Math.min(y + 12, innerHeight - tip.offsetHeight - 4))}px`;
}

function resize(plots) {
  for (const { place: where, chart } of plots) {
    if (where.clientWidth > 0 && where.clientWidth !== chart.width)
      chart.setSize({ width: where.clientWidth, height: HEIGHT });
  }
}
