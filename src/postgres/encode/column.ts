import type { Data } from '../../arrow/batch.ts';
import { hasNulls, isValid, maskAt, wordsOf } from '../../arrow/cells.ts';

/** OIDs of the types that encoders write, from `pg_type.dat`; they never change. */
export const OID = {
  bool: 16,
  bytea: 17,
  name: 19,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  json: 114,
  xml: 142,
  cidr: 650,
  float4: 700,
  float8: 701,
  macaddr8: 774,
  macaddr: 829,
  inet: 869,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  timetz: 1266,
  bit: 1560,
  varbit: 1562,
  numeric: 1700,
  uuid: 2950,
  pg_lsn: 3220,
  jsonb: 3802,
  int4range: 3904,
  numrange: 3906,
  tsrange: 3908,
  tstzrange: 3910,
  daterange: 3912,
  int8range: 3926,
  int4multirange: 4451,
  nummultirange: 4532,
  tsmultirange: 4533,
  tstzmultirange: 4534,
  datemultirange: 4535,
  int8multirange: 4536,
} as const;

/** Why a row cannot be loaded. */
export interface Fault {
  /** Index inside the batch. */
  row: number;
  column: string;
  /** Short and stable, for grouping: `nul_in_text`, `out_of_range`, … */
  reason: string;
  message: string;
}

/** @param final whether there is nothing that could be written, whatever the job allows the column to lose */
export type Report = (row: number, reason: string, message: string, final?: boolean) => void;

/** Where the values of the rows [from, to) go: `at[i - from]` is the position of row i's next cell in `out`. */
export interface Target {
  out: Uint8Array;
  view: DataView;
  at: Int32Array;
  /** At least so many bytes of every row lie behind this column's cells and are written after them. */
  spare: number;
}

/**
 * Writes one column of Arrow values as cells of the binary COPY format (a length word, then the value; see
 * https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS). Column-major: sizes first, so that
 * every row's place is known, then the cells in one tight loop. Null rows are the caller's business in `check` and
 * `sizes`, and the encoder's in `write`.
 */
export interface ColumnEncoder {
  /** Reports every row whose value the column cannot hold. Absent when any value can be held. */
  check?(data: Data, report: Report): void;
  /** Bytes of every non-null value, or a function that adds each row's bytes to `sizes`. */
  size: number | ((data: Data, from: number, to: number, sizes: Int32Array) => void);
  write(data: Data, from: number, to: number, target: Target): void;
}

/** Of a cell, in front of its value. */
export const LENGTH_BYTES = 4;

/** Adds what each cell of the rows [from, to) takes, its length word included. */
export function addCellSizes(encoder: ColumnEncoder, data: Data, from: number, to: number, sizes: Int32Array): void {
  for (let slot = 0; slot < to - from; slot++) sizes[slot]! += LENGTH_BYTES;
  if (typeof encoder.size === 'function') encoder.size(data, from, to, sizes);
  else for (let row = from; row < to; row++) if (isValid(data, row)) sizes[row - from]! += encoder.size;
}

const NULL_CELL = -1;

export function writeNull({ view, at }: Target, slot: number): void {
  view.setInt32(at[slot]!, NULL_CELL);
  at[slot]! += LENGTH_BYTES;
}

/**
 * Writes the values of the rows [from, to), each `LENGTH_BYTES` behind `at[row - first]`; for a null whatever lies in its
 * place. A loop of its own in every encoder: one that all shared, with a call for each value, would take four times as long.
 */
export type Fill<Values> = (
  values: Values,
  from: number,
  to: number,
  view: DataView,
  at: Int32Array,
  first: number,
) => void;

/**
 * An encoder of values of fixed size.
 * @param bytes size of every value
 * @param open called once per column and piece: the values in the form that `fill` wants
 */
export function fixedSize<Values>(
  bytes: number,
  open: (data: Data) => Values,
  fill: Fill<Values>,
  check?: ColumnEncoder['check'],
): ColumnEncoder {
  return {
    size: bytes,
    ...(check ? { check } : {}),
    write(data, from, to, target) {
      const { view, at, spare } = target;
      const values = open(data);
      const step = LENGTH_BYTES + bytes;
      if (!hasNulls(data)) {
        fill(values, from, to, view, at, from);
        for (let slot = 0; slot < to - from; slot++) {
          view.setInt32(at[slot]!, bytes);
          at[slot]! += step;
        }
      } else if (bytes <= spare) {
        // What is written for a null is written over by the next columns.
        fill(values, from, to, view, at, from);
        const { nullBitmap, offset } = data;
        for (let row = from; row < to; row++) {
          const mask = maskAt(nullBitmap, offset + row);
          view.setInt32(at[row - from]!, (bytes & mask) | (NULL_CELL & ~mask));
          at[row - from]! += LENGTH_BYTES + (bytes & mask);
        }
      } else {
        for (let row = from; row < to; row++) {
          const slot = row - from;
          if (!isValid(data, row)) {
            writeNull(target, slot);
            continue;
          }
          fill(values, row, row + 1, view, at, from);
          view.setInt32(at[slot]!, bytes);
          at[slot]! += step;
        }
      }
    },
  };
}

/** `open` of an encoder that reads plain numbers. */
export const numbers = (data: Data): ArrayLike<number> => data.values;
/** `open` of an encoder that reads 32-bit words. */
export const words = (data: Data): Int32Array => wordsOf(data.values);
/** `fill` of 64-bit values that are read as words, low word first. */
export const fillHalves: Fill<Int32Array> = (halves, from, to, view, at, first) => {
  for (let row = from; row < to; row++) {
    const position = at[row - first]! + LENGTH_BYTES;
    view.setInt32(position, halves[row * 2 + 1]!);
    view.setInt32(position + 4, halves[row * 2]!);
  }
};
