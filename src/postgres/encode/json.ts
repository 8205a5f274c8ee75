import type { Data } from '../../arrow/batch.ts';
import { isValid, textOf } from '../../arrow/cells.ts';
import type { Kind } from '../../arrow/types.ts';
import type { ColumnEncoder, Report } from './column.ts';
import { jsonbText } from './jsonb-text.ts';
import { ESCAPED_NUL } from './nul.ts';
import { parsed, Unfit } from './parsed.ts';
import { prefixed, textEncoder } from './text.ts';

/** The only version of jsonb's binary form (`jsonb_recv`). */
const JSONB_VERSION = 1;

/**
 * json and jsonb, from text that holds JSON. For json it passes through untouched; for jsonb it is sent as jsonb would
 * give it back. No number goes through one of JavaScript's, so none loses a digit.
 */
export function jsonEncoder(kind: Kind, binary: boolean): ColumnEncoder | undefined {
  if (kind !== 'utf8' && kind !== 'json') return undefined;
  return binary ? parsed(jsonbImage, 'invalid_json') : jsonText;
}

const text = textEncoder('utf8', undefined, false)!;

const jsonText: ColumnEncoder = {
  ...prefixed(undefined),
  check(data: Data, report: Report) {
    const faulty = new Set<number>();
    text.check!(data, (row, reason, message) => {
      faulty.add(row);
      report(row, reason, message);
    });
    for (let index = 0; index < data.length; index++) {
      if (!isValid(data, index) || faulty.has(index)) continue;
      try {
        parse(textOf(data, index));
      } catch (error) {
        report(index, 'invalid_json', (error as Error).message);
      }
    }
  },
};

/** Half of a surrogate pair, which JSON.parse lets pass and jsonb does not; whole ones are not left escaped. */
const ESCAPED_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/i;

function jsonbImage(json: string): Uint8Array {
  parse(json);
  if (ESCAPED_NUL.test(json)) {
    throw new Unfit('the JSON holds \\u0000, which jsonb cannot store; the type json can', 'nul_in_text');
  }
  const sent = canonical(json);
  if (ESCAPED_SURROGATE.test(sent)) throw new Unfit('the JSON holds half of a surrogate pair', 'invalid_utf8');
  return Buffer.from(String.fromCharCode(JSONB_VERSION) + sent);
}

function canonical(json: string): string {
  try {
    return jsonbText(json);
  } catch (error) {
    // So deep that our stack does not hold it: then it is for Postgres to say whether its own does.
    if (error instanceof RangeError) return json;
    throw error;
  }
}

/** @throws Unfit */
function parse(json: string): void {
  try {
    JSON.parse(json);
  } catch (error) {
    throw new Unfit(`not valid JSON: ${(error as Error).message}`);
  }
}
