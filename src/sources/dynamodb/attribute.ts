import { exactNumber } from '../../base/json.ts';
import type { SourceFault, SourceRecord } from '../../model/source.ts';
import type { AttributeValue, Item } from '../../store/dynamodb.ts';

/** An item as a function over records sees it. */
// biome-ignore lint/suspicious/noExplicitAny: what an item holds only its owner knows
export type DynamoRecord = Record<string, any>;

/**
 * An item with plain values: strings as they are, also empty ones; numbers, or an ExactNumber where JavaScript would lose a
 * digit of the up to 38; binary as Uint8Array; maps as objects, lists as arrays, sets as Set.
 * @param item as the SDK gives it, or as JSON in a table export, where binary is in base64
 * @throws TypeError for what is no attribute value
 */
function plainItem(item: Item): DynamoRecord {
  const record: DynamoRecord = {};
  for (const [name, value] of Object.entries(item)) {
    // What the AWS SDK makes of an attribute that is called __proto__.
    if (value === undefined) throw new TypeError(`the attribute "${name}" was lost on the way`);
    set(record, name, plain(value));
  }
  return record;
}

/** @param raw the item as JSON text */
export function recordOf(item: Item, row: number, raw: () => string): SourceRecord<DynamoRecord> | SourceFault {
  try {
    return { row, value: plainItem(item), raw };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { row, reason: 'unreadable_item', message: error.message, raw: raw() };
  }
}

function plain(value: AttributeValue): unknown {
  if (typeof value !== 'object' || value === null) throw new TypeError('an attribute is no object with a type');
  const [type, content] = Object.entries(value).find(([, held]) => held !== undefined) ?? [];
  switch (type) {
    case 'S':
    case 'BOOL':
      return content;
    case 'N':
      return exactNumber(content);
    case 'B':
      return bytes(content);
    case 'NULL':
      return null;
    case 'M':
      return plainItem(content);
    case 'L':
      return (content as AttributeValue[]).map(plain);
    case 'SS':
      return new Set(content as string[]);
    case 'NS':
      return new Set((content as string[]).map(exactNumber));
    case 'BS':
      return new Set((content as (Uint8Array | string)[]).map(bytes));
    default:
      throw new TypeError(`an attribute is of type "${type}", which DynamoDB does not have`);
  }
}

const bytes = (content: Uint8Array | string) =>
  typeof content === 'string' ? Buffer.from(content, 'base64') : content;

/** A map may have a key `__proto__`, which an assignment would take for something else. */
function set(record: DynamoRecord, name: string, value: unknown): void {
  if (name !== '__proto__') record[name] = value;
  else Object.defineProperty(record, name, { value, writable: true, enumerable: true, configurable: true });
}
