import type { ExactNumber } from '../../base/json.ts';
import { PyClass, PyObject, type PyValue, Unreadable } from './python.ts';

/** A value as JSON has it, but for numbers that JavaScript cannot hold, which keep all of their digits. */
export type Plain = null | boolean | number | bigint | ExactNumber | string | Plain[] | { [name: string]: Plain };

/** How deep values may lie in one another; Python itself writes about 500. */
export const DEEPEST = 500;
/** Values and characters of one entry: a value that is mentioned often is written out every time. */
const MOST_VALUES = 1_000_000;
const MOST_CHARACTERS = 64 * 1024 * 1024;

/**
 * Python values as plain ones. UUIDs, dates, times and decimals become text, sets and tuples lists, bytes
 * `{ "$base64": … }`, a member of an enumeration its value, any other object `{ "$class": …, …attributes }`. A value that
 * holds itself becomes `{ "$ref": path }`.
 * @throws Unreadable when there is too much of it
 */
export function plain(value: PyValue): Plain {
  return new Writer().write(value, '$');
}

export const tooDeep = () => new Unreadable('too_large', `values lie more than ${DEEPEST} deep`);

class Writer {
  #values = 0;
  #characters = 0;
  /** The values that are being written, one in the other, each with its place in the one before. */
  readonly #open = new Map<object, string>();

  /** @param place in the value around it, as in a JSON path */
  write(value: PyValue, place: string): Plain {
    this.#spend(1, 0);
    if (value instanceof Uint8Array) {
      this.#spend(0, value.length);
      return { $base64: Buffer.from(value).toString('base64') };
    }
    const scalar = scalarOf(value);
    if (scalar !== undefined) {
      this.#spend(0, typeof scalar === 'string' ? scalar.length : 0);
      return scalar;
    }
    return this.#writeInner(value as PyValue[] | Map<PyValue, PyValue> | Set<PyValue> | PyObject, place);
  }

  #writeInner(value: PyValue[] | Map<PyValue, PyValue> | Set<PyValue> | PyObject, place: string): Plain {
    if (this.#open.has(value)) return { $ref: this.#pathOf(value) };
    if (this.#open.size >= DEEPEST) throw tooDeep();
    this.#open.set(value, place);
    const written =
      value instanceof Map
        ? this.#writeDict(value)
        : value instanceof PyObject
          ? this.#writeObject(value)
          : this.#writeList([...value]);
    this.#open.delete(value);
    return written;
  }

  #writeList(values: readonly PyValue[]): Plain[] {
    return values.map((value, place) => this.write(value, `[${place}]`));
  }

  /** Keys that are not all scalars, or would be the same as text, make it a list of pairs. */
  #writeDict(dict: ReadonlyMap<PyValue, PyValue>): { [name: string]: Plain } {
    const names = [...dict.keys()].map(nameOf);
    if (names.includes(undefined) || new Set(names).size < names.length) return { $items: this.#writeList([...dict]) };
    // Without a prototype, so that a key like __proto__ is one as any other.
    const object: { [name: string]: Plain } = Object.create(null);
    let place = 0;
    for (const value of dict.values()) {
      const name = names[place++]!;
      this.#spend(0, name.length);
      object[name] = this.write(value, `.${name}`);
    }
    return object;
  }

  #writeObject({ className, args, state, otherState, items, entries }: PyObject): Plain {
    this.#spend(0, className.length);
    const object: { [name: string]: Plain } = Object.create(null);
    if (state) Object.assign(object, this.#writeDict(state));
    object.$class = className;
    if (args.length > 0) object.$args = this.#writeList(args);
    if (otherState !== undefined) object.$state = this.write(otherState, '.$state');
    if (items) object.$list = this.#writeList(items);
    if (entries) object.$dict = this.#writeDict(entries);
    return object;
  }

  #pathOf(value: object): string {
    const places: string[] = [];
    for (const [open, place] of this.#open) {
      places.push(place);
      if (open === value) break;
    }
    return places.join('');
  }

  #spend(values: number, characters: number): void {
    this.#values += values;
    this.#characters += characters;
    if (this.#values > MOST_VALUES || this.#characters > MOST_CHARACTERS) {
      throw new Unreadable('too_large', 'written out, it is too large: values in it are mentioned again and again');
    }
  }
}

/** @returns undefined for what is made up of other values */
function scalarOf(value: PyValue): null | boolean | number | bigint | string | undefined {
  if (value instanceof PyClass) return value.name;
  if (value instanceof PyObject) return wellKnown(value);
  return value === null || typeof value !== 'object' ? finite(value) : undefined;
}

/** JSON has no word for numbers that are none, or infinite. */
function finite<Value extends null | boolean | number | bigint | string>(value: Value): Value | string {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function nameOf(key: PyValue): string | undefined {
  const scalar = scalarOf(key);
  return scalar === undefined ? undefined : String(scalar);
}

/** Objects that stand for one plain value. */
function wellKnown(object: PyObject): null | boolean | number | bigint | string | undefined {
  const { className, args, state, otherState, items, entries } = object;
  if (className === 'uuid.UUID') return uuidText(object);
  const moment = TIMES[className]?.(args);
  if (moment !== undefined) return moment;
  // A member of an enumeration is made from its value, as are decimals.
  const [only] = args;
  const bare = args.length === 1 && !state && otherState === undefined && !items && !entries;
  return bare && only !== undefined && (only === null || typeof only !== 'object') ? finite(only) : undefined;
}

/** @returns undefined for an object that is no whole UUID */
function uuidText({ state }: PyObject): string | undefined {
  const value = state?.get('int');
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
  const hex = value.toString(16).padStart(32, '0');
  return /^[0-9a-f]{32}$/.test(hex) ? hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') : undefined;
}

type ToText = (args: readonly PyValue[]) => string | undefined;

/** Python packs dates and times into bytes: https://docs.python.org/3/library/datetime.html */
const TIMES: Record<string, ToText> = {
  'datetime.datetime': ([packed, zone]) => momentText(packed, zone, 10),
  'datetime.date': ([packed]) => momentText(packed, undefined, 4),
  'datetime.time': ([packed, zone]) => momentText(packed, zone, 6),
  'datetime.timedelta': (args) => {
    if (args.length !== 3 || !args.every(Number.isSafeInteger)) return undefined;
    const [days, seconds, micros] = args as number[];
    return `P${days}DT${seconds}${fraction(micros!)}S`;
  },
};

/** @param bytes of the whole: 10 a date and a time, 4 a date, 6 a time */
function momentText(packed: PyValue | undefined, zone: PyValue | undefined, bytes: 4 | 6 | 10): string | undefined {
  if (!(packed instanceof Uint8Array) || packed.length !== bytes) return undefined;
  const offset = zone === undefined || zone === null ? '' : zoneText(zone);
  if (offset === undefined) return undefined;
  const view = Buffer.from(packed);
  const two = (value: number) => String(value).padStart(2, '0');
  // The highest bit of the month, or of the hour of a mere time, tells two equal times of a night apart.
  const date =
    bytes === 6 ? '' : `${String(view.readUInt16BE()).padStart(4, '0')}-${two(view[2]! & 0x7f)}-${two(view[3]!)}`;
  if (bytes === 4) return date;
  const time = view.subarray(bytes - 6);
  const hour = bytes === 6 ? time[0]! & 0x7f : time[0]!;
  const clock = `${two(hour)}:${two(time[1]!)}:${two(time[2]!)}${fraction(time.readUIntBE(3, 3))}${offset}`;
  return date === '' ? clock : `${date}T${clock}`;
}

const fraction = (micros: number) => (micros === 0 ? '' : `.${String(micros).padStart(6, '0')}`);

/** An offset such as `+02:00`, or a zone's name in brackets as RFC 9557 has it. */
function zoneText(zone: PyValue): string | undefined {
  if (!(zone instanceof PyObject)) return undefined;
  const [first] = zone.args;
  if (/^zoneinfo\.ZoneInfo(\._unpickle)?$/.test(zone.className))
    return typeof first === 'string' ? `[${first}]` : undefined;
  if (zone.className !== 'datetime.timezone' || !(first instanceof PyObject)) return undefined;
  const [days, seconds] = first.args;
  if (typeof days !== 'number' || typeof seconds !== 'number') return undefined;
  const minutes = Math.trunc((days * 86_400 + seconds) / 60);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
}
