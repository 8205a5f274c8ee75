import type { Data } from '../../arrow/batch.ts';
import { isValid, textOf } from '../../arrow/cells.ts';
import type { Kind } from '../../arrow/types.ts';
import { type ColumnEncoder, type Fault, type Report, writeNull } from './column.ts';
import { JsonbBytes } from './jsonb-bytes.ts';
import { jsonbText } from './jsonb-text.ts';
import { ESCAPED_NUL } from './nul.ts';
import { Unfit } from './parsed.ts';
import { prefixed, textEncoder } from './text.ts';

/** The only version of jsonb's binary form (`jsonb_recv`). */
const JSONB_VERSION = 1;

/**
 * json and jsonb, from text that holds JSON. For json it passes through untouched; for jsonb it is sent as jsonb would
 * give it back. No number goes through one of JavaScript's, so none loses a digit.
 */
export function jsonEncoder(kind: Kind, binary: boolean): ColumnEncoder | undefined {
  if (kind !== 'utf8' && kind !== 'json') return undefined;
  return binary ? jsonbEncoder() : jsonText;
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

/** The documents of one batch, one behind the other. */
interface Documents {
  data: Data;
  /** Where each begins and ends; equal where the value is null or unfit. */
  starts: Int32Array;
  ends: Int32Array;
  faults: Omit<Fault, 'column'>[];
}

function jsonbEncoder(): ColumnEncoder {
  const written = new JsonbBytes();
  // Checked, measured and written one after the other: taken apart once.
  let latest: Documents | undefined;
  const open = (data: Data): Documents => {
    if (latest?.data !== data) latest = writeAll(data, written);
    return latest;
  };
  return {
    check(data, report) {
      for (const { row, reason, message } of open(data).faults) report(row, reason, message);
    },
    size(data, from, to, sizes) {
      const { starts, ends } = open(data);
      for (let row = from; row < to; row++) sizes[row - from]! += ends[row]! - starts[row]!;
    },
    write(data, from, to, target) {
      const { out, view, at } = target;
      const { starts, ends } = open(data);
      for (let row = from; row < to; row++) {
        const slot = row - from;
        const length = ends[row]! - starts[row]!;
        if (length === 0) {
          writeNull(target, slot);
          continue;
        }
        view.setInt32(at[slot]!, length);
        out.set(written.bytes.subarray(starts[row]!, ends[row]!), at[slot]! + 4);
        at[slot]! += 4 + length;
      }
    },
  };
}

function writeAll(data: Data, written: JsonbBytes): Documents {
  const starts = new Int32Array(data.length);
  const ends = new Int32Array(data.length);
  const faults: Documents['faults'] = [];
  const offsets = data.valueOffsets as Int32Array;
  written.length = 0;
  const faulty = new Set<number>();
  text.check!(data, (row, reason, message) => {
    faulty.add(row);
    faults.push({ row, reason, message });
  });
  for (let row = 0; row < data.length; row++) {
    const start = written.length;
    starts[row] = start;
    if (isValid(data, row) && !faulty.has(row)) {
      written.reserve(1);
      written.bytes[written.length++] = JSONB_VERSION;
      if (!written.append(data.values, offsets[row]!, offsets[row + 1]!)) {
        try {
          written.add(jsonbDocument(textOf(data, row)));
        } catch (error) {
          if (!(error instanceof Unfit)) throw error;
          faults.push({ row, reason: error.reason ?? 'invalid_json', message: error.message });
          written.length = start;
        }
      }
    }
    ends[row] = written.length;
  }
  return { data, starts, ends, faults };
}

/** Half of a surrogate pair, which JSON.parse lets pass and jsonb does not; whole ones are not left escaped. */
const ESCAPED_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/i;

/** What is seldom: escapes, exponents, zeros with a sign, and what jsonb does not take. @throws Unfit */
function jsonbDocument(json: string): Uint8Array {
  parse(json);
  if (ESCAPED_NUL.test(json)) {
    throw new Unfit('the JSON holds \\u0000, which jsonb cannot store; the type json can', 'nul_in_text');
  }
  const sent = canonical(json);
  if (ESCAPED_SURROGATE.test(sent)) throw new Unfit('the JSON holds half of a surrogate pair', 'invalid_utf8');
  return Buffer.from(sent);
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
