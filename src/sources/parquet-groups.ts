/** A row group of a Parquet file. */
export interface RowGroup {
  rows: number;
  /** In the file. */
  bytes: number;
  /** As much as it takes to work on. */
  unpacked: number;
}

/**
 * The row groups that a footer describes (`FileMetaData` in https://parquet.apache.org/docs/file-format/metadata/). DuckDB
 * tells them, too, with thirty values for each column of each, which takes ten times as long when there are many.
 * @param footer without its length and the closing magic
 * @throws RangeError when it is not what the format says
 */
export function rowGroupsOf(footer: Uint8Array): RowGroup[] {
  const groups: RowGroup[] = [];
  const reader = new CompactReader(footer);
  reader.struct((field, type) => {
    if (field !== FILE.rowGroups || type !== TYPE.list) return false;
    reader.list(() => groups.push(rowGroup(reader)));
    return true;
  });
  return groups;
}

/** Numbers of fields in parquet.thrift. */
const FILE = { rowGroups: 4 };
const ROW_GROUP = { columns: 1, rows: 3 };
const COLUMN = { about: 3 };
const ABOUT = { unpacked: 6, bytes: 7 };

function rowGroup(reader: CompactReader): RowGroup {
  const group = { rows: 0, bytes: 0, unpacked: 0 };
  const about = (field: number) => {
    if (field === ABOUT.unpacked) group.unpacked += reader.integer();
    else if (field === ABOUT.bytes) group.bytes += reader.integer();
    else return false;
    return true;
  };
  const column = (field: number) => {
    if (field !== COLUMN.about) return false;
    reader.struct(about);
    return true;
  };
  reader.struct((field) => {
    if (field === ROW_GROUP.columns) reader.list(() => reader.struct(column));
    else if (field === ROW_GROUP.rows) group.rows = reader.integer();
    else return false;
    return true;
  });
  return group;
}

/** Types of Thrift's compact protocol. */
const TYPE = {
  true: 1,
  false: 2,
  i8: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  map: 11,
  struct: 12,
  uuid: 13,
};

/** Reads Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md). */
class CompactReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @param read takes a field, or returns false to have it skipped */
  struct(read: (field: number, type: number) => boolean): void {
    let field = 0;
    for (let head = this.#byte(); head !== 0; head = this.#byte()) {
      field = head >> 4 === 0 ? this.integer() : field + (head >> 4);
      if (!read(field, head & 15)) this.#skip(head & 15);
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
