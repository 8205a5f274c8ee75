/**
 * Writes Python pickles of protocol 2 or 4, for sample data and tests.
 * Format: https://docs.python.org/3/library/pickletools.html
 */
export type Picklable =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Picklable[]
  | Set<Picklable>
  | Map<Picklable, Picklable>
  | Tuple
  | Float
  | Instance
  | Call
  | { [name: string]: Picklable };

export class Tuple {
  constructor(...values: Picklable[]) {
    this.values = values;
  }
  readonly values: Picklable[];
}

/** A float that happens to be whole. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** An object of a class with attributes, which may be filled in later, so that it can hold itself. */
export class Instance {
  readonly module: string;
  readonly name: string;
  attributes: Record<string, Picklable>;
  constructor(module: string, name: string, attributes: Record<string, Picklable> = {}) {
    this.module = module;
    this.name = name;
    this.attributes = attributes;
  }
}

/** What a call of a function or class gives. */
export class Call {
  readonly module: string;
  readonly name: string;
  readonly args: Picklable[];
  constructor(module: string, name: string, ...args: Picklable[]) {
    this.module = module;
    this.name = name;
    this.args = args;
  }
}

export const uuid = (text: string) => new Instance('uuid', 'UUID', { int: BigInt(`0x${text.replaceAll('-', '')}`) });

/** @param text as Python's `str` writes a datetime */
export function datetime(text: string): Call {
  const [year, month, day, hour, minute, second, micros = 0] = text.split(/[-: .]/).map(Number);
  const packed = Buffer.alloc(10);
  packed.writeUInt16BE(year!);
  packed.set([month!, day!, hour!, minute!, second!], 2);
  packed.writeUIntBE(micros, 7, 3);
  return new Call('datetime', 'datetime', packed);
}

/** @param protocol 2 has no sets, bytes or short texts of its own */
export function pickle(value: Picklable, protocol: 2 | 4 = 4): Buffer {
  const writer = new Writer(protocol);
  writer.write(value);
  return writer.finish();
}

class Writer {
  readonly #protocol: number;
  readonly #parts: Buffer[] = [];
  readonly #memo = new Map<unknown, number>();

  constructor(protocol: number) {
    this.#protocol = protocol;
    this.#op('\x80', protocol);
  }

  finish(): Buffer {
    this.#op('.');
    return Buffer.concat(this.#parts);
  }

  write(value: Picklable): void {
    if (value === null) this.#op('N');
    else if (typeof value === 'boolean') this.#op(value ? '\x88' : '\x89');
    else if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) {
      this.#integer(BigInt(value));
    } else if (typeof value === 'number') this.#float(value);
    else if (value instanceof Float) this.#float(value.value);
    else if (this.#recall(value)) return;
    else if (typeof value === 'string') this.#text(value);
    else this.#object(value);
  }

  #object(value: Exclude<Picklable, null | boolean | number | bigint | string | Float>): void {
    if (value instanceof Uint8Array) this.#bytes(value);
    else if (value instanceof Tuple) this.#tuple(value.values);
    else if (value instanceof Set) this.#set(value);
    else if (Array.isArray(value)) this.#list(value);
    else if (value instanceof Call) this.#call(value.module, value.name, value.args, value);
    else if (value instanceof Instance) this.#instance(value);
    else this.#dict(value instanceof Map ? value : new Map(Object.entries(value)), value);
  }

  #op(code: string, ...bytes: number[]): void {
    this.#parts.push(Buffer.concat([Buffer.from(code, 'latin1'), Buffer.from(bytes)]));
  }

  #sized(code: string, content: Uint8Array, width: 1 | 4): void {
    const size = Buffer.alloc(width);
    size.writeUIntLE(content.length, 0, width);
    this.#parts.push(Buffer.from(code, 'latin1'), size, Buffer.from(content));
  }

  #integer(value: bigint): void {
    const bytes: number[] = [];
    for (let rest = value; ; rest >>= 8n) {
      bytes.push(Number(rest & 0xffn));
      if (rest >> 7n === 0n || rest >> 7n === -1n) break;
    }
    this.#sized('\x8a', Buffer.from(bytes), 1);
  }

  #float(value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    this.#op('G', ...bytes);
  }

  #text(value: string): void {
    const bytes = encode(value);
    if (this.#protocol >= 4 && bytes.length < 256) this.#sized('\x8c', bytes, 1);
    else this.#sized('X', bytes, 4);
    this.#remember(value);
  }

  #bytes(value: Uint8Array): void {
    if (this.#protocol >= 3) this.#sized('B', value, 4);
    else this.#call('_codecs', 'encode', [Buffer.from(value).toString('latin1'), 'latin1']);
    this.#remember(value);
  }

  #list(values: readonly Picklable[]): void {
    this.#op(']');
    this.#remember(values);
    this.#op('(');
    for (const value of values) this.write(value);
    this.#op('e');
  }

  #tuple(values: readonly Picklable[]): void {
    this.#op('(');
    for (const value of values) this.write(value);
    this.#op('t');
  }

  #set(values: ReadonlySet<Picklable>): void {
    if (this.#protocol < 4) {
      this.#call('builtins', 'set', [[...values]], values);
      return;
    }
    this.#op('\x8f');
    this.#remember(values);
    this.#op('(');
    for (const value of values) this.write(value);
    this.#op('\x90');
  }

  #dict(entries: ReadonlyMap<Picklable, Picklable>, identity: unknown): void {
    this.#op('}');
    this.#remember(identity);
    this.#op('(');
    for (const [key, value] of entries) {
      this.write(key);
      this.write(value);
    }
    this.#op('u');
  }

  #class(module: string, name: string): void {
    const identity = `class ${module} ${name}`;
    if (this.#recall(identity)) return;
    if (this.#protocol >= 4) {
      this.write(module);
      this.write(name);
      this.#op('\x93');
    } else this.#op('c', ...Buffer.from(`${module}\n${name}\n`));
    this.#remember(identity);
  }

  #call(module: string, name: string, args: Picklable[], identity?: unknown): void {
    this.#class(module, name);
    this.#tuple(args);
    this.#op('R');
    if (identity !== undefined) this.#remember(identity);
  }

  #instance(value: Instance): void {
    this.#class(value.module, value.name);
    this.#op(')');
    this.#op('\x81');
    this.#remember(value);
    this.#dict(new Map(Object.entries(value.attributes)), undefined);
    this.#op('b');
  }

  #remember(identity: unknown): void {
    const index = this.#memo.size;
    this.#memo.set(identity ?? Symbol('unnamed'), index);
    const place = Buffer.alloc(4);
    place.writeUInt32LE(index);
    if (this.#protocol >= 4) this.#op('\x94');
    else this.#op('r', ...place);
  }

  #recall(identity: unknown): boolean {
    const index = this.#memo.get(identity);
    if (index === undefined) return false;
    const place = Buffer.alloc(4);
    place.writeUInt32LE(index);
    this.#op('j', ...place);
    return true;
  }
}

/** UTF-8 in which half of a surrogate pair is three bytes, as Python has it. */
function encode(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8');
  const parts = [...text].map((character) => {
    const code = character.charCodeAt(0);
    if (character.isWellFormed()) return Buffer.from(character, 'utf8');
    return Buffer.of(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
  });
  return Buffer.concat(parts);
}
