import type { Data, Decimal, Field, RecordBatch } from 'apache-arrow';
import { ExactNumber, parseJson } from '../base/json.ts';
import { bytesOf, isTrue, isValid, textOf } from './cells.ts';
import { decimalText, decimalValue } from './decimal.ts';
import { cellToJson, elementsOf } from './row-json.ts';
import { kindOf } from './types.ts';

/**
 * A row as a function of a job gets it: numbers, and bigints and exact numbers where a number would lose digits; JSON as
 * what it says, bytes as bytes, lists and structs as arrays and objects; UUIDs, dates and times as text in ISO form.
 */
export function rowValue(batch: RecordBatch, index: number): Record<string, unknown> {
  return members(batch.schema.fields, batch.data.children, index);
}

function members(fields: readonly Field[], columns: readonly Data[], index: number): Record<string, unknown> {
  return Object.fromEntries(fields.map((field, place) => [field.name, partValue(field, columns[place]!, index)]));
}

function partValue(field: Field, data: Data, index: number): unknown {
  if (!isValid(data, index)) return null;
  const kind = kindOf(field);
  switch (kind) {
    case 'bool':
      return isTrue(data, index);
    case 'utf8':
      return textOf(data, index);
    case 'json':
      return parseJson(textOf(data, index));
    case 'binary':
      return bytesOf(data, index).slice();
    case 'decimal': {
      const { scale } = data.type as Decimal;
      return new ExactNumber(decimalText(decimalValue(data.values, index), scale));
    }
    case 'list':
      return elementsOf(data, index).map((place) => partValue(data.type.children[0]!, data.children[0]!, place));
    case 'struct':
      return members(data.type.children as Field[], data.children, index);
    case 'uuid':
    case 'date':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return isInfinite(data.values[index]) ?? JSON.parse(cellToJson(kind, data, index));
    default: {
      const value = data.values[index];
      return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
    }
  }
}

/** The ends of the ranges of dates and moments, as DuckDB has them. */
function isInfinite(value: number | bigint): string | undefined {
  if (value === 2147483647 || value === 2n ** 63n - 1n) return 'infinity';
  return value === -2147483647 || value === -(2n ** 63n) + 1n ? '-infinity' : undefined;
}
