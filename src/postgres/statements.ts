/**
 * What the scanner steps over as one piece, the first that fits. A string or quote that has no end takes the rest, and
 * leaves it to Postgres to complain. Names come before dollar quotes, since `a$b$` is a name.
 */
const TOKEN = new RegExp(
  [
    /(?<space>\s+|--[^\n\r]*)/,
    /(?<comment>\/\*)/,
    /(?<quoted>[eE]'(?:[^'\\]|''|\\.)*(?:'|$)|'[^']*(?:'|$)|"[^"]*(?:"|$))/,
    /(?<name>[a-zA-Z_\u0080-\uffff][\w$\u0080-\uffff]*)/,
    /\$(?<tag>(?:[a-zA-Z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$/,
    /(?<other>.)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'sy',
);

interface Token {
  text: string;
  kind: 'space' | 'quoted' | 'name' | 'other';
}

/**
 * The statements of a script, each as it was written, without its semicolon. Comments stay where they are; what holds
 * nothing else is no statement.
 */
export function splitStatements(sql: string): string[] {
  const statements: string[] = [];
  let text = '';
  let nesting = new Nesting();
  const end = () => {
    if (!nesting.isEmpty) statements.push(text.trim());
    text = '';
    nesting = new Nesting();
  };
  for (const token of tokens(sql)) {
    if (token.text === ';' && nesting.isOutside) {
      end();
      continue;
    }
    nesting.pass(token);
    text += token.text;
  }
  end();
  return statements;
}

/** A statement in one line without its comments, for messages. */
export function abbreviate(statement: string, length = 100): string {
  let line = '';
  for (const { kind, text } of tokens(statement)) line += kind === 'space' ? ' ' : text;
  line = line.replace(/\s+/g, ' ').trim();
  return line.length <= length ? line : `${line.slice(0, length - 1).trimEnd()}…`;
}

/** The index that a statement creates, as it is written there. */
export function indexName(statement: string): string | undefined {
  const line = abbreviate(statement, Number.POSITIVE_INFINITY);
  return line.match(
    /^create (?:unique )?index (?:concurrently )?(?:if not exists )?(?!(?:on|concurrently) )("(?:[^"]|"")+"|[\w$\u0080-\uffff]+) on /i,
  )?.[1];
}

/** Semicolons also stand inside the parentheses of a rule and the `begin atomic … end` of a function, as in psql. */
class Nesting {
  #first: string[] = [];
  #parentheses = 0;
  #blocks = 0;
  isEmpty = true;

  get isOutside(): boolean {
    return this.#parentheses === 0 && this.#blocks === 0;
  }

  pass({ kind, text }: Token): void {
    if (kind === 'space') return;
    this.isEmpty = false;
    if (text === '(') this.#parentheses++;
    else if (text === ')') this.#parentheses = Math.max(0, this.#parentheses - 1);
    else if (kind === 'name') this.#name(text.toLowerCase());
  }

  #name(word: string): void {
    if (this.#first.length < 4) this.#first.push(word);
    if (this.#parentheses > 0 || !/^create (or replace )?(function|procedure)\b/.test(this.#first.join(' '))) return;
    if (word === 'begin' || (word === 'case' && this.#blocks > 0)) this.#blocks++;
    else if (word === 'end') this.#blocks = Math.max(0, this.#blocks - 1);
  }
}

function* tokens(sql: string): Generator<Token> {
  for (let at = 0; at < sql.length; ) {
    TOKEN.lastIndex = at;
    const { space, comment, quoted, name, tag, other } = TOKEN.exec(sql)!.groups!;
    let end = at + (space ?? quoted ?? name ?? other ?? '').length;
    if (comment !== undefined) end = commentEnd(sql, at);
    if (tag !== undefined) end = dollarEnd(sql, at, `$${tag}$`);
    const isSpace = space !== undefined || comment !== undefined;
    const isQuoted = quoted !== undefined || tag !== undefined;
    const kind = isSpace ? 'space' : isQuoted ? 'quoted' : name !== undefined ? 'name' : 'other';
    yield { kind, text: sql.slice(at, end) };
    at = end;
  }
}

function dollarEnd(sql: string, start: number, quote: string): number {
  const end = sql.indexOf(quote, start + quote.length);
  return end < 0 ? sql.length : end + quote.length;
}

/** Block comments may hold others. */
function commentEnd(sql: string, start: number): number {
  const MARK = /\/\*|\*\//g;
  MARK.lastIndex = start;
  let depth = 0;
  for (let mark = MARK.exec(sql); mark; mark = MARK.exec(sql)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return MARK.lastIndex;
  }
  return sql.length;
}
