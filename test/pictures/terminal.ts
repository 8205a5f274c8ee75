/** What a terminal shows after a program has written to it, as far as dray makes use of terminals. */

/** Characters of one colour and weight. */
export interface Span {
  text: string;
  /** Of the eight of ANSI; undefined for the terminal's own. */
  colour: number | undefined;
  bold: boolean;
  dim: boolean;
}

type Style = Omit<Span, 'text'>;
type Cell = Style & { char: string };

const PLAIN: Style = { colour: undefined, bold: false, dim: false };

/** @returns its lines */
export function screenOf(written: string): Span[][] {
  const lines: Cell[][] = [[]];
  let [row, column] = [0, 0];
  let style = PLAIN;
  const sequence = /\x1b\[([\d;]*)([A-Za-z])|[^\x1b]/gu;
  for (const [all, given = '', command] of written.matchAll(sequence)) {
    const number = Number(given || 1);
    if (command === 'm') style = styled(style, given);
    else if (command === 'F') [row, column] = [Math.max(0, row - number), 0];
    else if (command === 'J') {
      lines.length = row + 1;
      lines[row]!.length = column;
    } else if (command === 'K') lines[row]!.length = given === '2' ? 0 : column;
    else if (all === '\n') {
      row++;
      lines[row] ??= [];
      column = 0;
    } else if (all === '\r') column = 0;
    else if (!command) lines[row]![column++] = { char: all, ...style };
  }
  return lines.map(spansOf);
}

function styled(before: Style, codes: string): Style {
  const style = { ...before };
  for (const code of (codes || '0').split(';').map(Number)) {
    if (code === 0) Object.assign(style, PLAIN);
    else if (code === 1) style.bold = true;
    else if (code === 2) style.dim = true;
    else if (code === 22) Object.assign(style, { bold: false, dim: false });
    else if (code >= 30 && code <= 37) style.colour = code - 30;
    else if (code === 39) style.colour = undefined;
  }
  return style;
}

function spansOf(cells: readonly Cell[]): Span[] {
  const spans: Span[] = [];
  for (const { char, ...style } of Array.from(cells, (cell) => cell ?? { char: ' ', ...PLAIN })) {
    const last = spans.at(-1);
    if (last && last.colour === style.colour && last.bold === style.bold && last.dim === style.dim) last.text += char;
    else spans.push({ text: char, ...style });
  }
  return spans;
}

const COLOURS = ['#6e7681', '#ff7b72', '#7ee787', '#e3b341', '#79c0ff', '#d2a8ff', '#76e3ea', '#e6edf3'];
const [CHAR, LINE, EDGE, BAR] = [8.43, 19, 20, 36];

/** A picture of the lines in a window. @param columns of characters */
export function pictureOf(lines: readonly Span[][], columns: number): string {
  const width = Math.ceil(columns * CHAR + 2 * EDGE);
  const height = BAR + lines.length * LINE + EDGE;
  const texts = lines.map((spans, index) => {
    const parts = spans.map(({ text, colour, bold, dim }) => {
      const fill = colour === undefined ? '' : ` fill="${COLOURS[colour]}"`;
      return `<tspan${fill}${bold ? ' font-weight="700"' : ''}${dim ? ' opacity="0.6"' : ''}>${escaped(text)}</tspan>`;
    });
    return parts.length > 0 ? `<text x="${EDGE}" y="${BAR + index * LINE + 14}">${parts.join('')}</text>` : '';
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>A session in a terminal</title>
<rect width="${width}" height="${height}" rx="8" fill="#161b22"/>
${[0, 1, 2].map((dot) => `<circle cx="${EDGE + dot * 18}" cy="18" r="5.5" fill="#30363d"/>`).join('')}
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="#c9d1d9">
${texts.filter(Boolean).join('\n')}
</g>
</svg>
`;
}

/** With spaces that are not drawn together. */
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll(' ', '\u00a0');
