import type { Data, Field } from '../../arrow/batch.ts';
import { isValid } from '../../arrow/cells.ts';
import type { PgType } from '../types.ts';
import { addCellSizes, type ColumnEncoder, type Report, type Target, writeNull } from './column.ts';

interface Member {
  name: string;
  oid: number;
  /** Which member of the struct it is; -1 for none: it is null then. */
  position: number;
  encoder: ColumnEncoder | undefined;
}

/** A composite value in binary (`record_send`): the count of its members, then of each the type and a cell. */
const HEADER_BYTES = 4;
const OID_BYTES = 4;
const NULL_CELL = -1;

/**
 * A composite type, from structs, member by name. Members that the struct lacks are null; one that the type lacks has
 * nowhere to go, so there is no encoder then.
 */
export function compositeEncoder(
  field: Field,
  type: PgType,
  encoderOf: (member: Field, type: PgType) => ColumnEncoder | undefined,
): ColumnEncoder | undefined {
  const fields = field.type.children as Field[];
  const wanted = type.members!;
  if (!fields.every(({ name }) => wanted.some((member) => member.name === name))) return undefined;
  const members: Member[] = [];
  for (const member of wanted) {
    const position = fields.findIndex(({ name }) => name === member.name);
    const encoder = position === -1 ? undefined : encoderOf(fields[position]!, member.type);
    if (position !== -1 && !encoder) return undefined;
    members.push({ name: member.name, oid: member.type.oid, position, encoder });
  }
  return new CompositeEncoder(members);
}

class CompositeEncoder implements ColumnEncoder {
  readonly #members: readonly Member[];

  constructor(members: readonly Member[]) {
    this.#members = members;
  }

  check(data: Data, report: Report): void {
    for (const { name, position, encoder } of this.#members) {
      encoder?.check?.(data.children[position]!, (row, reason, message, final) => {
        if (isValid(data, row)) report(row, reason, `member "${name}": ${message}`, final);
      });
    }
  }

  size(data: Data, from: number, to: number, sizes: Int32Array): void {
    const own = new Int32Array(to - from).fill(HEADER_BYTES);
    for (const { position, encoder } of this.#members) {
      for (let slot = 0; slot < own.length; slot++) own[slot]! += OID_BYTES + (encoder ? 0 : 4);
      if (encoder) addCellSizes(encoder, data.children[position]!, from, to, own);
    }
    for (let row = from; row < to; row++) if (isValid(data, row)) sizes[row - from]! += own[row - from]!;
  }

  write(data: Data, from: number, to: number, target: Target): void {
    // A null row has no members, so the rows in between are written stretch by stretch.
    for (let start = from; start < to; ) {
      if (!isValid(data, start)) {
        writeNull(target, start - from);
        start++;
        continue;
      }
      let end = start + 1;
      while (end < to && isValid(data, end)) end++;
      const at = target.at.subarray(start - from, end - from);
      this.#writeStretch(data, start, end, { ...target, at });
      start = end;
    }
  }

  #writeStretch(data: Data, from: number, to: number, target: Target): void {
    const { view, at } = target;
    const starts = at.slice();
    for (let slot = 0; slot < at.length; slot++) {
      view.setInt32(at[slot]! + 4, this.#members.length);
      at[slot]! += 4 + HEADER_BYTES;
    }
    for (const { oid, position, encoder } of this.#members) {
      for (let slot = 0; slot < at.length; slot++) {
        view.setInt32(at[slot]!, oid);
        at[slot]! += OID_BYTES;
        if (encoder) continue;
        view.setInt32(at[slot]!, NULL_CELL);
        at[slot]! += 4;
      }
      encoder?.write(data.children[position]!, from, to, target);
    }
    for (let slot = 0; slot < at.length; slot++) view.setInt32(starts[slot]!, at[slot]! - starts[slot]! - 4);
  }
}
