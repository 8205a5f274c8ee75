import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TestProject } from '../helpers/project.ts';
import { pictureOf, type Span, screenOf } from './terminal.ts';

/**
 * Records the session that the README shows, from real commands on a real terminal:
 *
 *   npm run pictures
 *
 * It takes `script` of util-linux, which gives programs a terminal.
 */
const COLUMNS = 104;
const ROWS = 200_000;
const PICTURE = join(import.meta.dirname, '../../docs/images/session.svg');
const DRAY = join(import.meta.dirname, '../../src/cli/bin.js');

const SESSION = [
  'head -3 data/orders.csv',
  'dray init orders --from data/orders.csv --key order_id',
  'dray run orders',
  "echo '200001,ES,1.00,yesterday' >> data/orders.csv",
  'dray run orders',
  'dray rejects',
  'dray verify --sample 3',
];

const execute = promisify(execFile);
const project = await TestProject.create();
const lines: Span[][] = [];
try {
  await project.write('data/orders.csv', orders());
  // Keeps the server up, so that not every command tells that it has started one.
  const server = project.spawn(['db', 'open']);
  await once(server.stdout, 'data');
  for (const command of SESSION) {
    lines.push([
      { text: '$ ', colour: 2, bold: true, dim: false },
      { text: command, colour: undefined, bold: true, dim: false },
    ]);
    const shown = screenOf(await onTerminal(command));
    lines.push(...(shown.some((line) => line.length > 0) ? shown : []), []);
  }
  server.kill('SIGTERM');
  await once(server, 'close');
} finally {
  await project.remove();
}
while (lines.at(-1)!.length === 0) lines.pop();
await writeFile(PICTURE, pictureOf(lines, COLUMNS));

function orders(): string {
  const rows = Array.from({ length: ROWS }, (_, row) => {
    const placed = new Date(Date.UTC(2026, 0, 1) + row * 97_000).toISOString().slice(0, 19).replace('T', ' ');
    return `${row + 1},${['DE', 'FR', 'GB', 'ES'][row % 4]},${(((row + 1) * 1_237) % 20_000) / 100},${placed}`;
  });
  return `Order ID,Country,Amount,Placed at\n${rows.join('\n')}\n`;
}

/** What a command writes to a terminal. */
async function onTerminal(command: string): Promise<string> {
  const line = command.replace(/^dray /, `'${process.execPath}' '${DRAY}' `);
  const { stdout } = await execute('script', ['-qec', `stty cols ${COLUMNS}; ${line}`, '/dev/null'], {
    cwd: project.root,
    env: { ...project.env, TERM: 'xterm-256color', DRAYAGE_LOG_LEVEL: 'error' },
    encoding: 'utf8',
  }).catch((ended) => ended);
  return stdout.replace(/\r\n/g, '\n').replace(/\n$/, '');
}
