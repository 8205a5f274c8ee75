/** Words that a secret is called by, at the end of a name: `PGPASSWORD`, `sslpassword`, `aws_secret_access_key`. */
const NAMES = 'password|passwd|passphrase|pwd|secret|token|credentials?|api[_-]?key|private[_-]?key|access[_-]?key';

// A name, what parts it from its value, and the quote that opens that; in JSON in a text the quotes have backslashes.
const PAIR = new RegExp(
  `(?:${NAMES})(?:(?:\\\\*["'])?\\s*(?:=\\s*(?<quote>\\\\*["'])?|:\\s*(?<member>\\\\*["'])))`,
  'gi',
);
// Up to the last @, since people put passwords into URLs as they are. A port with a path behind it is none.
const URL_PASSWORD = /(:\/\/[^\s:/@"']{0,200}):(?!\d{1,5}\/)(?:[^\s"\\]|\\[^\r\n]){1,1000}@/g;
const PEM = /(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----).*?(-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/gs;
// A quote inside of a value is a part of it; one after which no word goes on closes what is around the pair.
const BARE = /(?:[^\s"'\\]|\\+(?!["'\\])|\\*["'](?=\w))*/y;
const BARE_IN_URL = /[^\s"'\\&#]*/y;
const HINT = new RegExp(`${NAMES}|://|PRIVATE KEY`, 'i');

/**
 * Hides passwords in URLs, in `password=…` pairs, quoted or not, in `"password": "…"`, and private keys, wherever they turn up in
 * a text that leaves the process. What may still be a part of the secret is hidden, too. A document is for `maskStrings`.
 */
export function maskText(text: string): string {
  if (!HINT.test(text)) return text;
  return maskPairs(text.replace(PEM, '$1***$2').replace(URL_PASSWORD, '$1:***@'));
}

/** For JSON.stringify: each string of a document without its secrets. To mask the finished text could cut through its quotes. */
export function maskStrings(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? maskText(value) : value;
}

/** A line of JSON without the secrets in its strings; it stays JSON. */
export function maskLine(line: string): string {
  if (!HINT.test(line)) return line;
  return `${JSON.stringify(JSON.parse(line), maskStrings)}\n`;
}

function maskPairs(text: string): string {
  let masked = '';
  let done = 0;
  PAIR.lastIndex = 0;
  for (let pair = PAIR.exec(text); pair !== null; pair = PAIR.exec(text)) {
    const { quote, member } = pair.groups!;
    const from = PAIR.lastIndex;
    // A field of data that is called token is seldom a secret.
    if (member !== undefined && /^token\W/i.test(pair[0]) && !/[\w-]/.test(text[pair.index - 1] ?? '')) continue;
    const opened = quote ?? member;
    const end = opened === undefined ? endOfBare(text, from, pair.index) : endOfQuoted(text, from, opened);
    if (end === from) continue;
    masked += `${text.slice(done, from)}***`;
    done = end;
    PAIR.lastIndex = end;
  }
  return masked + text.slice(done);
}

function endOfBare(text: string, from: number, name: number): number {
  const value = /[?&][\w.-]{0,40}$/.test(text.slice(Math.max(0, name - 41), name)) ? BARE_IN_URL : BARE;
  value.lastIndex = from;
  value.test(text);
  return value.lastIndex;
}

/**
 * Where the quote closes. At the depth of JSON in JSON at which it opened, a closing quote has as many backslashes as the
 * opening one, and an escaped quote more; two quotes in a row are one inside. What is never closed ends with its line.
 */
function endOfQuoted(text: string, from: number, opened: string): number {
  const depth = opened.length - 1;
  const quote = opened.at(-1)!;
  for (let at = text.indexOf(quote, from); at !== -1; at = text.indexOf(quote, at + 1)) {
    let backslashes = 0;
    while (text[at - 1 - backslashes] === '\\' && at - backslashes > from) backslashes++;
    if (backslashes % (2 * depth + 2) !== depth) continue;
    if (!text.startsWith(opened, at + 1)) return at - depth;
    at += opened.length;
  }
  const line = text.indexOf('\n', from);
  return line === -1 ? text.length : line;
}

const SECRET_NAME = /pass(word|wd|phrase)?|secret|token|credential|api_?key|private_?key|access_?key|\bdsn\b/i;

/** Parameters of a job as they may be shown: what is called like a secret is hidden whole. */
export function maskParams(params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => {
      if (SECRET_NAME.test(name)) return [name, '***'];
      return [name, typeof value === 'string' ? maskText(value) : value];
    }),
  );
}
