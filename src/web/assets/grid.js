// Says what a cell of the map of partitions stands for, and leads to them. For the keyboard there are the lists by state.

import { place } from './charts.js';

const numbers = new Intl.NumberFormat('en-US');
const tip = document.createElement('div');
const asked = new WeakMap();

export function watchGrids() {
  tip.className = 'tip';
  tip.hidden = true;
  document.body.append(tip);
  document.addEventListener('pointermove', (event) => tell(event));
  document.addEventListener('click', (event) => go(event));
}

function cellAt(event) {
  const grid = event.target.closest?.('[data-grid]');
  if (!grid) return undefined;
  const box = grid.getBoundingClientRect();
  const columns = Number(grid.dataset.columns);
  const side = box.width / columns;
  const index = Math.floor((event.clientY - box.top) / side) * columns + Math.floor((event.clientX - box.left) / side);
  return index < Number(grid.dataset.cells) ? { grid, index } : undefined;
}

/** The cells as they are now; asked for once per drawing, and only when somebody points at it. */
function cellsOf(grid) {
  if (!asked.has(grid)) {
    const cells = fetch(grid.dataset.grid, { cache: 'no-store' })
      .then((response) => response.json())
      .then((document) => document.cells)
      .catch(() => []);
    asked.set(grid, cells);
  }
  return asked.get(grid);
}

async function tell(event) {
  const found = cellAt(event);
  tip.hidden = !found;
  if (!found) return;
  const cell = (await cellsOf(found.grid))[found.index];
  if (!cell) {
    tip.hidden = true;
    return;
  }
  const states = Object.entries(cell.states).map(([state, count]) => `${numbers.format(count)} ${state}`);
  tip.textContent = cell.partitions === 1 ? states[0].slice(2) : states.join('\n');
  place(tip, event.clientX, event.clientY);
}

async function go(event) {
  const found = cellAt(event);
  if (!found) return;
  const cell = (await cellsOf(found.grid))[found.index];
  if (!cell) return;
  const { list } = found.grid.dataset;
  location.href =
    cell.partitions === 1 && cell.from === cell.to ? `${list}/${cell.from}` : `${list}?from=${cell.from}&to=${cell.to}`;
}
