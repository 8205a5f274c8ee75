import { TYPE } from './thrift.ts';

/** Reads Thrift's compact protocol. @throws RangeError when that is not what the bytes are */
export class ThriftReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @param read takes a field, or returns false to have it skipped */
  struct(read: (field: number) => boolean): void {
    let field = 0;
    for (let head = this.#byte(); head !== 0; head = this.#byte()) {
      field = head >> 4 === 0 ? this.integer() : field + (head >> 4);
      if (!read(field)) this.#skip(head & 15);
    }
  }

  list(read: (type: number) => void): void {
    const head = this.#byte();
    const count = head >> 4 === 15 ? this.#varint() : head >> 4;
    for (let left = count; left > 0; left--) read(head & 15);
  }

  /** Sizes and counts: a plain number holds them. */
  integer(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  #varint(): number {
    let value = 0;
    for (let place = 1; ; place *= 0x80) {
      const byte = this.#byte();
      value += (byte & 0x7f) * place;
      if (byte < 0x80) return value;
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError('it ends in the middle');
    return byte;
  }

  #skipBytes(count: number): void {
    this.#at += count;
    if (this.#at > this.#bytes.length) throw new RangeError('it ends in the middle');
  }

  #skip(type: number): void {
    if (type === TYPE.true || type === TYPE.false) return;
    if (type === TYPE.i8) this.#skipBytes(1);
    else if (type === TYPE.i16 || type === TYPE.i32 || type === TYPE.i64) this.#varint();
    else if (type === TYPE.double) this.#skipBytes(8);
    else if (type === TYPE.uuid) this.#skipBytes(16);
    else if (type === TYPE.binary) this.#skipBytes(this.#varint());
    else if (type === TYPE.list || type === TYPE.set) this.list((element) => this.#skipElement(element));
    else if (type === TYPE.map) this.#skipMap();
    else if (type === TYPE.struct) this.struct(() => false);
    else throw new RangeError(`there is no type ${type}`);
  }

  /** In a field, a truth is told by its type; as an element, it is a byte. */
  #skipElement(type: number): void {
    if (type === TYPE.true || type === TYPE.false) this.#skipBytes(1);
    else this.#skip(type);
  }

  #skipMap(): void {
    const count = this.#varint();
    if (count === 0) return;
    const types = this.#byte();
    for (let left = count; left > 0; left--) {
      this.#skipElement(types >> 4);
      this.#skipElement(types & 15);
    }
  }
}
