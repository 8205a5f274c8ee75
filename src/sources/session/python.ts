/** Python values as data. What has no counterpart here is an inert record of how Python would make it. */
export type PyValue =
  | null
  | boolean
  /** A float, or an integer that a float holds exactly; other integers are bigints. */
  | number
  | bigint
  | string
  | Uint8Array
  /** A list or a tuple. */
  | PyValue[]
  | Map<PyValue, PyValue>
  | Set<PyValue>
  | PyClass
  | PyObject;

/** A class or function, by its name alone; there is nothing behind it that could run. */
export class PyClass {
  /** With its module, for example `uuid.UUID`. */
  readonly name: string;

  constructor(module: string, name: string) {
    this.name = `${OLD_MODULES.get(module) ?? module}.${name}`;
  }
}

/** What protocols 0 to 2 call modules of Python 3. */
const OLD_MODULES = new Map([
  ['__builtin__', 'builtins'],
  ['copy_reg', 'copyreg'],
]);

/** An instance of a class: what it would be made from, and what would be put into it. */
export class PyObject {
  readonly className: string;
  readonly args: readonly PyValue[];
  /** Attributes by name. */
  state: Map<PyValue, PyValue> | undefined;
  /** A state that is no set of attributes. */
  otherState: PyValue | undefined;
  /** What a list-like object holds. */
  items: PyValue[] | undefined;
  /** What a dict-like object holds. */
  entries: Map<PyValue, PyValue> | undefined;

  constructor(className: string, args: readonly PyValue[]) {
    this.className = className;
    this.args = args;
  }
}

/** Why one entry of a session cannot be read; the entry becomes a reject, and the others go on. */
export class Unreadable extends Error {
  override name = 'Unreadable';
  readonly reason: 'invalid_pickle' | 'invalid_json' | 'invalid_utf8' | 'too_large' | 'not_an_anchor' | 'quarantined';

  constructor(reason: Unreadable['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** A whole number as `PyValue` has it. */
export function integer(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * The text of a Python string literal, quotes included, as `repr` writes it.
 * @returns undefined when it is none
 */
export function parseLiteral(literal: string): string | undefined {
  const quote = literal[0];
  if (literal.length < 2 || (quote !== "'" && quote !== '"') || literal.at(-1) !== quote) return undefined;
  let legal = true;
  const text = literal.slice(1, -1).replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.?)/gs, (_, code: string) => {
    if (code.length === 3 && code[0] === 'x') return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
    const simple = SIMPLE_ESCAPES.get(code);
    if (simple === undefined) legal = false;
    return simple ?? '';
  });
  return legal ? text : undefined;
}

const SIMPLE_ESCAPES = new Map(
  Object.entries({
    ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
    "'": "'",
    '"': '"',
    '\\': '\\',
  }),
);
