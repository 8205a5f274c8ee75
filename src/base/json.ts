/**
 * JSON that loses nothing: JavaScript's own rounds numbers beyond 2^53, makes sets and maps `{}`, and writes null for
 * what it has no form for.
 */

const { rawJSON } = JSON as unknown as { rawJSON(source: string): unknown };

/** A JSON number (RFC 8259); leading zeros, a plus and a bare point are none. */
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * A number that JavaScript cannot hold exactly. `String(number)` has every digit, as does `JSON.stringify`; arithmetic
 * is for `BigInt(String(number))`, or for Postgres.
 */
export class ExactNumber {
  readonly text: string;

  /** @param text a number as JSON writes it */
  constructor(text: string) {
    if (!JSON_NUMBER.test(text)) throw new TypeError(`"${text}" is not a number as JSON writes it`);
    this.text = text;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): unknown {
    return rawJSON(this.text);
  }
}

/** The number if JavaScript holds it exactly, else one that keeps its digits. @param text as JSON writes it */
export function exactNumber(text: string): number | ExactNumber {
  const number = Number(text);
  // Up to 15 digits come back from a double as they went in (`DBL_DIG`); whatever is longer is compared.
  if (text.length <= 15 && !/[eE]/.test(text)) return number;
  return Number.isFinite(number) && sameNumber(text, String(number)) ? number : new ExactNumber(text);
}

/** Whether two texts are the same number, whatever their form. */
function sameNumber(a: string, b: string): boolean {
  const [one, other] = [significant(a), significant(b)];
  return one.digits === other.digits && one.point === other.point && one.negative === other.negative;
}

function significant(text: string): { negative: boolean; digits: string; point: number } {
  const [, sign, whole = '', fraction = '', power = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text)!;
  const all = whole + fraction;
  const first = all.search(/[1-9]/);
  if (first === -1) return { negative: sign === '-', digits: '', point: 0 };
  return {
    negative: sign === '-',
    digits: all.slice(first).replace(/0+$/, ''),
    point: whole.length - first + Number(power),
  };
}

/** As JSON.parse, with numbers that keep their digits. @throws SyntaxError */
export function parseJson(text: string): unknown {
  const keepDigits = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined ? exactNumber(context.source) : value;
  return JSON.parse(text, keepDigits);
}

/** Thrown for a value that JSON has no form for; the message says which, and where in it. */
export class NotJson extends Error {}

/**
 * JSON text of a value. Beside what JSON.stringify takes: bigints and exact numbers in full digits, sets and typed arrays
 * as arrays, maps as objects, bytes in base64. Members that are undefined are left out; an undefined element is null.
 * @throws NotJson for NaN, infinities, invalid dates, functions, symbols, and what contains itself
 */
export function toJson(value: unknown): string {
  try {
    return write(value, '', []) ?? 'null';
  } catch (error) {
    if (error instanceof RangeError) throw new NotJson('it is nested too deeply');
    throw error;
  }
}

/** @param path where the value lies in the whole @param above what it lies in */
function write(value: unknown, path: string, above: readonly object[]): string | undefined {
  switch (typeof value) {
    case 'undefined':
      return undefined;
    case 'string':
      return JSON.stringify(value);
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'number':
      if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value);
      throw new NotJson(`JSON has no ${value}${at(path)}`);
    case 'object':
      return value === null ? 'null' : writeObject(value, path, above);
    default:
      throw new NotJson(`JSON has no ${typeof value}${at(path)}`);
  }
}

function writeObject(value: object, path: string, above: readonly object[]): string | undefined {
  if (above.includes(value)) throw new NotJson(`the value contains itself${at(path)}`);
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'));
  if (value instanceof ExactNumber) return value.text;
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new NotJson(`an invalid date${at(path)}`);
    return JSON.stringify(value);
  }
  const within = [...above, value];
  if (Array.isArray(value) || value instanceof Set || (ArrayBuffer.isView(value) && !(value instanceof DataView))) {
    const elements = Array.from(
      value as Iterable<unknown>,
      (element, index) => write(element, `${path}[${index}]`, within) ?? 'null',
    );
    return `[${elements.join(',')}]`;
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') return write(value.toJSON(), path, within);
  const members: string[] = [];
  for (const [name, member] of value instanceof Map ? value : Object.entries(value)) {
    const text = write(member, `${path}.${name}`, within);
    if (text !== undefined) members.push(`${JSON.stringify(String(name))}:${text}`);
  }
  return `{${members.join(',')}}`;
}

const at = (path: string) => (path === '' ? '' : `: see ${path.replace(/^\./, '')}`);
