import { invalid, Machine, parseInteger } from './machine.ts';
import { PyClass, PyObject, type PyValue, parseLiteral } from './python.ts';

/**
 * Reads a Python pickle of protocol 0 to 5 as data. A pickle is a program that calls functions by name; here every call
 * becomes an inert record of it, but for a few whose outcome is known to be plain data.
 * Format: https://docs.python.org/3/library/pickletools.html
 * @throws Unreadable for anything that is no complete pickle, or too large
 */
export function readPickle(bytes: Uint8Array): PyValue {
  const machine = new Machine(bytes);
  for (;;) {
    const code = machine.next();
    if (code === STOP) return machine.pop();
    const instruction = INSTRUCTIONS[code];
    if (!instruction) throw invalid(`0x${code.toString(16).padStart(2, '0')} is no instruction`);
    instruction(machine);
  }
}

const STOP = '.'.charCodeAt(0);
const NEWEST_PROTOCOL = 5;

type Instruction = (machine: Machine) => void;

const BY_CODE: Record<string, Instruction> = {
  // Values.
  N: (m) => m.push(null),
  '\x88': (m) => m.push(true),
  '\x89': (m) => m.push(false),
  K: (m) => m.push(m.unsigned(1)),
  M: (m) => m.push(m.unsigned(2)),
  J: (m) => m.push(m.take(4).readInt32LE()),
  '\x8a': (m) => m.push(m.long(1)),
  '\x8b': (m) => m.push(m.long(4)),
  L: (m) => m.push(m.decimal()),
  I: (m) => m.push(integerOrBoolean(m.line())),
  F: (m) => m.push(float(m.line())),
  G: (m) => m.push(m.take(8).readDoubleBE()),
  S: (m) => m.push(oldText(m.line())),
  T: (m) => m.push(Buffer.from(m.bytes(4)).toString('latin1')),
  U: (m) => m.push(Buffer.from(m.bytes(1)).toString('latin1')),
  V: (m) => m.push(escapedText(m.line())),
  '\x8c': (m) => m.push(m.text(1)),
  X: (m) => m.push(m.text(4)),
  '\x8d': (m) => m.push(m.text(8)),
  C: (m) => m.push(m.bytes(1)),
  B: (m) => m.push(m.bytes(4)),
  '\x8e': (m) => m.push(m.bytes(8)),
  '\x96': (m) => m.push(m.bytes(8)),

  // Collections.
  ')': (m) => m.push([]),
  ']': (m) => m.push([]),
  '}': (m) => m.push(new Map()),
  '\x8f': (m) => m.push(new Set()),
  t: (m) => m.push(m.popMarked()),
  l: (m) => m.push(m.popMarked()),
  d: (m) => m.push(setItems(new Map(), m.popMarked())),
  '\x91': (m) => m.push(new Set(m.popMarked())),
  '\x85': (m) => m.push([m.pop()]),
  '\x86': (m) => m.push([m.pop(), m.pop()].reverse()),
  '\x87': (m) => m.push([m.pop(), m.pop(), m.pop()].reverse()),
  a: (m) => append([m.pop()], m),
  e: (m) => append(m.popMarked(), m),
  '\x90': (m) => append(m.popMarked(), m),
  s: (m) => addItems([m.pop(), m.pop()].reverse(), m),
  u: (m) => addItems(m.popMarked(), m),

  // Classes and what is made of them.
  c: (m) => m.push(new PyClass(m.line(), m.line())),
  '\x93': (m) => m.push(globalOf(m)),
  R: (m) => reduce(m.popTuple(), m),
  '\x81': (m) => newObject(m.popTuple(), m),
  '\x92': (m) => newObjectWithNames(m),
  i: (m) => m.push(new PyObject(new PyClass(m.line(), m.line()).name, m.popMarked())),
  o: (m) => oldObject(m.popMarked(), m),
  b: (m) => build(m.pop(), m),

  // The stack and the memo.
  '(': (m) => m.mark(),
  '0': (m) => m.discard(),
  '1': (m) => void m.popMarked(),
  '2': (m) => m.push(m.top()),
  p: (m) => m.remember(Number(m.decimal())),
  q: (m) => m.remember(m.unsigned(1)),
  r: (m) => m.remember(m.unsigned(4)),
  '\x94': (m) => m.remember(),
  g: (m) => m.recall(Number(m.decimal())),
  h: (m) => m.recall(m.unsigned(1)),
  j: (m) => m.recall(m.unsigned(4)),

  // Protocol and frames; a frame only says how far one may read ahead.
  '\x80': (m) => assertProtocol(m.unsigned(1)),
  '\x95': (m) => void m.take(8),
  '\x98': () => undefined,

  // What refers to something outside of the pickle.
  ...refused('P', 'Q', 'it refers to an object that is kept elsewhere'),
  ...refused('\x82', '\x83', '\x84', 'it refers to a registry of extensions'),
  ...refused('\x97', 'a part of it is kept elsewhere'),
};

const INSTRUCTIONS: (Instruction | undefined)[] = Array.from(
  { length: 256 },
  (_, code) => BY_CODE[String.fromCharCode(code)],
);

function refused(...codesAndWhy: string[]): Record<string, Instruction> {
  const why = codesAndWhy.at(-1)!;
  const refuse = () => {
    throw invalid(why);
  };
  return Object.fromEntries(codesAndWhy.slice(0, -1).map((code) => [code, refuse]));
}

function assertProtocol(protocol: number): void {
  if (protocol > NEWEST_PROTOCOL) throw invalid(`its protocol is ${protocol}, and ${NEWEST_PROTOCOL} is the newest`);
}

/** Protocols 0 and 1 write a boolean as an integer with a zero before it. */
function integerOrBoolean(line: string): PyValue {
  return line === '00' ? false : line === '01' ? true : parseInteger(line);
}

function float(text: string): number {
  const words: Record<string, unknown> = { nan: Number.NaN, inf: Infinity, '-inf': -Infinity };
  const word = words[text];
  if (typeof word === 'number') return word;
  if (!/^[-+]?[\d.]+(e[-+]?\d+)?$/i.test(text) || Number.isNaN(Number(text))) {
    throw invalid(`"${text.slice(0, 20)}" is no float`);
  }
  return Number(text);
}

/** A string of Python 2. */
function oldText(literal: string): string {
  const text = parseLiteral(literal);
  if (text === undefined) throw invalid('a string of protocol 0 has no quotes around it');
  return text;
}

/** Text with `\u` and `\U` escapes. */
function escapedText(line: string): string {
  return line.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long!, 16);
    if (code > 0x10ffff) throw invalid('an escape is no character');
    return String.fromCodePoint(code);
  });
}

function setItems(map: Map<PyValue, PyValue>, items: readonly PyValue[]): Map<PyValue, PyValue> {
  if (items.length % 2 !== 0) throw invalid('a key has no value');
  for (let place = 0; place < items.length; place += 2) map.set(items[place]!, items[place + 1]!);
  return map;
}

function append(values: readonly PyValue[], machine: Machine): void {
  const target = machine.top();
  if (target instanceof Set) for (const value of values) target.add(value);
  else if (Array.isArray(target)) for (const value of values) target.push(value);
  else if (target instanceof PyObject) {
    target.items ??= [];
    for (const value of values) target.items.push(value);
  } else throw invalid('values are put into something that holds none');
}

function addItems(items: readonly PyValue[], machine: Machine): void {
  const target = machine.top();
  if (target instanceof Map) setItems(target, items);
  else if (target instanceof PyObject) target.entries = setItems(target.entries ?? new Map(), items);
  else throw invalid('keys are put into something that has none');
}

function globalOf(machine: Machine): PyClass {
  const name = machine.popText();
  return new PyClass(machine.popText(), name);
}

function newObject(args: PyValue[], machine: Machine): void {
  machine.push(new PyObject(machine.popClass().name, args));
}

function newObjectWithNames(machine: Machine): void {
  const named = machine.pop();
  const args = machine.popTuple();
  const made = new PyObject(machine.popClass().name, args);
  if (!(named instanceof Map)) throw invalid('the named arguments of a call are no dict');
  if (named.size > 0) made.otherState = named;
  machine.push(made);
}

function oldObject([made, ...args]: PyValue[], machine: Machine): void {
  if (!(made instanceof PyClass)) throw invalid('something that is no class is called');
  machine.push(new PyObject(made.name, args));
}

function reduce(args: PyValue[], machine: Machine): void {
  const { name } = machine.popClass();
  const known = KNOWN_CALLS.get(name)?.(args, machine);
  machine.push(known ?? new PyObject(name, args));
}

type KnownCall = (args: PyValue[], machine: Machine) => PyValue | undefined;

/** Calls whose outcome is plain data; undefined for arguments that they do not take. */
const KNOWN_CALLS = new Map<string, KnownCall>([
  ['copyreg._reconstructor', ([made]) => (made instanceof PyClass ? new PyObject(made.name, []) : undefined)],
  ['copyreg.__newobj__', newObjectOf],
  ['builtins.getattr', attributeOf],
  ['_codecs.encode', ([text, code], machine) => (code === 'latin1' ? latin1(text, machine) : undefined)],
  ['builtins.bytes', bytesOf],
  ['builtins.bytearray', bytesOf],
  ['builtins.set', ([values = []], machine) => (Array.isArray(values) ? new Set(copied(values, machine)) : undefined)],
  [
    'builtins.frozenset',
    ([values = []], machine) => (Array.isArray(values) ? new Set(copied(values, machine)) : undefined),
  ],
  ['collections.OrderedDict', ({ length }) => (length === 0 ? new Map() : undefined)],
  ['collections.defaultdict', () => new Map()],
  ['collections.deque', ([values = []], machine) => (Array.isArray(values) ? copied(values, machine) : undefined)],
]);

function copied(values: readonly PyValue[], machine: Machine): PyValue[] {
  machine.spend(values.length);
  return [...values];
}

function newObjectOf(args: PyValue[], machine: Machine): PyValue | undefined {
  const [made, ...rest] = copied(args, machine);
  return made instanceof PyClass ? new PyObject(made.name, rest) : undefined;
}

/** A class inside of another, or a member of an enumeration. */
function attributeOf([owner, name]: PyValue[]): PyValue | undefined {
  return owner instanceof PyClass && typeof name === 'string' ? new PyClass(owner.name, name) : undefined;
}

function bytesOf([value, code]: PyValue[], machine: Machine): Uint8Array | undefined {
  if (value === undefined) return new Uint8Array();
  if (value instanceof Uint8Array) return value;
  return code === 'latin-1' ? latin1(value, machine) : undefined;
}

/** The bytes that a text stands for in pickles older than protocol 3. */
function latin1(text: PyValue | undefined, machine: Machine): Uint8Array | undefined {
  if (typeof text !== 'string') return undefined;
  // A value of the memo is about as large as this many characters.
  machine.spend(Math.ceil(text.length / 64));
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** Python's default for `__setstate__`: a dict of attributes, or a pair of it and a dict of slots. */
function build(state: PyValue, machine: Machine): void {
  const target = machine.top();
  if (!(target instanceof PyObject)) throw invalid('a state is given to something that has none');
  const parts = Array.isArray(state) && state.length === 2 ? state : [state];
  if (!parts.every((part) => part === null || part instanceof Map)) {
    target.otherState = state;
    return;
  }
  target.state ??= new Map();
  for (const part of parts) machine.spend(part instanceof Map ? part.size : 0);
  for (const part of parts)
    for (const [name, value] of (part as Map<PyValue, PyValue> | null) ?? []) target.state.set(name, value);
}
