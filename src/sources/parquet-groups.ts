import { ThriftReader } from '../arrow/parquet/thrift-reader.ts';

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
  const reader = new ThriftReader(footer);
  reader.struct((field) => {
    if (field !== FILE.rowGroups) return false;
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

function rowGroup(reader: ThriftReader): RowGroup {
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
