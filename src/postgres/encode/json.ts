import type { Data } from '../../arrow/batch.ts';
import { isValid, textOf } from '../../arrow/cells.ts';
import type { Kind } from '../../arrow/types.ts';
import type { ColumnEncoder, Report } from './column.ts';
import { ESCAPED_NUL } from './nul.ts';
import { prefixed, textEncoder } from './text.ts';

/** The only version of jsonb's binary form (`jsonb_recv`). */
const JSONB_VERSION = 1;

/** json and jsonb, from text that holds JSON. The text passes through untouched, so no digit of a number is lost. */
export function jsonEncoder(kind: Kind, binary: boolean): ColumnEncoder | undefined {
  const text = kind === 'utf8' || kind === 'json' ? textEncoder('utf8', undefined, false) : undefined;
  if (!text) return undefined;
  const cells = binary ? prefixed(JSONB_VERSION) : prefixed(undefined);
  return {
    ...cells,
    check(data, report) {
      const faulty = new Set<number>();
      text.check!(data, (row, reason, message) => {
        faulty.add(row);
        report(row, reason, message);
      });
      for (let index = 0; index < data.length; index++) {
        if (isValid(data, index) && !faulty.has(index)) checkJson(data, index, binary, report);
      }
    },
  };
}

/** Half of a surrogate pair, which JSON.parse lets pass and jsonb does not. */
const ESCAPED_SURROGATE = /\\ud[89a-f]/i;

function checkJson(data: Data, index: number, binary: boolean, report: Report): void {
  const text = textOf(data, index);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    report(index, 'invalid_json', `not valid JSON: ${(error as Error).message}`);
    return;
  }
  if (!binary) return;
  if (ESCAPED_NUL.test(text)) {
    report(index, 'nul_in_text', 'the JSON holds \\u0000, which jsonb cannot store; the type json can');
  } else if (ESCAPED_SURROGATE.test(text) && !JSON.stringify(value).isWellFormed()) {
    report(index, 'invalid_utf8', 'the JSON holds half of a surrogate pair');
  }
}
