import type { Data, Decimal, Field, RecordBatch } from 'apache-arrow';
import { bytesOf, isTrue, isValid, textOf } from './cells.ts';
import { decimalText, decimalValue } from './decimal.ts';
import { kindOf } from './types.ts';

/**
 * A value as JavaScript has it. Integers are numbers up to 2^53 and bigints beyond, decimals with a fraction are text
 * with all their digits, JSON is text.
 */
export type Plain = null | boolean | number | bigint | string | Uint8Array | Plain[] | { [name: string]: Plain };

/**
 * The rows of a batch whose columns are booleans, numbers, texts, JSON, bytes, and lists and structs of them.
 * @param names of the members, a column each
 */
export function plainRows(batch: RecordBatch, names: readonly string[]): Record<string, Plain>[] {
  const rows = Array.from({ length: batch.numRows }, (): Record<string, Plain> => ({}));
  for (const [position, field] of batch.schema.fields.entries()) {
    const data = batch.data.children[position]!;
    const name = names[position]!;
    for (const [index, row] of rows.entries()) row[name] = plainCell(field, data, index);
  }
  return rows;
}

export function plainCell(field: Field, data: Data, index: number): Plain {
  if (!isValid(data, index)) return null;
  switch (kindOf(field)) {
    case 'bool':
      return isTrue(data, index);
    case 'decimal': {
      const unscaled = decimalValue(data.values, index);
      const { scale } = data.type as Decimal;
      return scale === 0 ? integer(unscaled) : decimalText(unscaled, scale);
    }
    case 'utf8':
    case 'json':
      return textOf(data, index);
    case 'binary':
      return bytesOf(data, index).slice();
    case 'list':
      return elementsOf(data, index).map((place) => plainCell(data.type.children[0]!, data.children[0]!, place));
    case 'struct':
      return Object.fromEntries(
        (data.type.children as Field[]).map((member, place) => [
          member.name,
          plainCell(member, data.children[place]!, index),
        ]),
      );
    default: {
      const value = data.values[index];
      return typeof value === 'bigint' ? integer(value) : value;
    }
  }
}

/** As `plainCell`, as JSON: numbers with all their digits, JSON as it is, bytes in the hexadecimal form of Postgres. */
export function plainJson(field: Field, data: Data, index: number): string {
  if (!isValid(data, index)) return 'null';
  switch (kindOf(field)) {
    case 'decimal':
      return decimalText(decimalValue(data.values, index), (data.type as Decimal).scale);
    case 'json': {
      const text = textOf(data, index);
      return isJson(text) ? text : JSON.stringify(text);
    }
    case 'binary':
      return JSON.stringify(hexText(bytesOf(data, index)));
    case 'list': {
      const [element, values] = [data.type.children[0]!, data.children[0]!];
      return `[${elementsOf(data, index).map((place) => plainJson(element, values, place))}]`;
    }
    case 'struct': {
      const members = (data.type.children as Field[]).map(
        (member, place) => `${JSON.stringify(member.name)}:${plainJson(member, data.children[place]!, index)}`,
      );
      return `{${members}}`;
    }
    default: {
      const value = plainCell(field, data, index);
      // JSON has no number for NaN and infinity.
      const isNumber = typeof value === 'bigint' || Number.isFinite(value);
      return isNumber ? String(value) : JSON.stringify(typeof value === 'number' ? String(value) : value);
    }
  }
}

/** As `plainCell`, as text: lists and structs as JSON; undefined for null. */
export function plainText(field: Field, data: Data, index: number): string | undefined {
  if (!isValid(data, index)) return undefined;
  const kind = kindOf(field);
  if (kind === 'utf8' || kind === 'json') return textOf(data, index);
  if (kind === 'binary') return hexText(bytesOf(data, index));
  if (kind === 'float32' || kind === 'float64') return String(data.values[index]);
  return plainJson(field, data, index);
}

function integer(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function elementsOf(data: Data, index: number): number[] {
  const [from, to] = [data.valueOffsets[index]!, data.valueOffsets[index + 1]!];
  return Array.from({ length: to - from }, (_, place) => from + place);
}

const hexText = (bytes: Uint8Array) => `\\x${Buffer.from(bytes).toString('hex')}`;

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
