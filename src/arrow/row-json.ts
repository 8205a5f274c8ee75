import type { Data, Decimal, Field, RecordBatch } from 'apache-arrow';
import { bytesOf, isTrue, isValid } from './cells.ts';
import { decimalText, decimalValue } from './decimal.ts';
import { kindOf } from './types.ts';

/**
 * A row as JSON text, for people to read and for a later load to take up again: integers and decimals in full digits,
 * times in ISO form, bytes that are no text as `{"base64": …}`.
 */
export function rowToJson(batch: RecordBatch, index: number): string {
  const cells = batch.schema.fields.map((field, position) => {
    return memberToJson(field, batch.data.children[position]!, index);
  });
  return `{${cells.join(',')}}`;
}

export function cellToJson(kind: ReturnType<typeof kindOf>, data: Data, index: number): string {
  const value = data.values?.[index];
  switch (kind) {
    case 'bool':
      return String(isTrue(data, index));
    case 'decimal':
      return decimalText(decimalValue(data.values, index), (data.type as Decimal).scale);
    case 'utf8':
    case 'json':
    case 'binary':
      return bytesToJson(bytesOf(data, index));
    case 'uuid':
      return JSON.stringify(uuidText(data.values.subarray(index * 16, index * 16 + 16)));
    case 'date':
      return isoOrNumber(BigInt(value) * 86_400_000_000n, 10, value);
    case 'timestamp':
      return isoOrNumber(value, 26, value);
    case 'timestamptz':
      return isoOrNumber(value, 27, value);
    case 'list':
      return `[${elementsOf(data, index)
        .map((place) => partToJson(data.type.children[0]!, data.children[0]!, place))
        .join(',')}]`;
    case 'struct':
      return `{${data.children.map((child, place) => memberToJson(data.type.children[place]!, child, index)).join(',')}}`;
    case 'time':
      return isoOrNumber(value, 26, value, 11);
    default:
      // Integers, and floats: what JSON has no number for goes as text.
      return typeof value === 'bigint' || Number.isFinite(value) ? String(value) : JSON.stringify(String(value));
  }
}

const partToJson = (field: Field, data: Data, index: number) =>
  isValid(data, index) ? cellToJson(kindOf(field), data, index) : 'null';

const memberToJson = (field: Field, data: Data, index: number) =>
  `${JSON.stringify(field.name)}:${partToJson(field, data, index)}`;

/** Where the elements of a list lie: by offsets, or by a fixed length. */
export function elementsOf(data: Data, index: number): number[] {
  const { listSize } = data.type as unknown as { listSize?: number };
  const [from, to] = listSize
    ? [index * listSize, (index + 1) * listSize]
    : data.valueOffsets.subarray(index, index + 2);
  return Array.from({ length: to - from }, (_, place) => from + place);
}

function bytesToJson(bytes: Uint8Array): string {
  try {
    return JSON.stringify(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return JSON.stringify({ base64: Buffer.from(bytes).toString('base64') });
  }
}

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Microseconds since 1970 in ISO form with all six digits; a moment that JavaScript cannot express as its number. */
function isoOrNumber(micros: bigint, end: number, fallback: unknown, start = 0): string {
  const millis = Number(micros / 1000n) - (micros % 1000n < 0n ? 1 : 0);
  if (Math.abs(millis) > 62_135_596_800_000) return JSON.stringify(String(fallback));
  const rest = String(((micros % 1000n) + 1000n) % 1000n).padStart(3, '0');
  return JSON.stringify(new Date(millis).toISOString().replace('Z', `${rest}Z`).slice(start, end));
}
