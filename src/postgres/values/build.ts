import { type Data, type Field, makeColumn } from '../../arrow/batch.ts';
import { packBits } from '../../arrow/cells.ts';

/** A value in the form that the builder of its column takes; lists and structs are made of others. */
export type Cell = null | boolean | number | bigint | string | Uint8Array | readonly Cell[];

/** A column of Arrow from as many cells as there are rows. */
export type Build = (field: Field, cells: readonly Cell[]) => Data;

function validityOf(cells: readonly Cell[]): Uint8Array | null {
  return cells.includes(null) ? packBits(cells.length, (row) => cells[row] !== null) : null;
}

export const buildBools: Build = ({ type }, cells) =>
  makeColumn(type, cells.length, {
    data: packBits(cells.length, (row) => cells[row] === true),
    validity: validityOf(cells),
  });

export const buildInt32s: Build = ({ type }, cells) =>
  makeColumn(type, cells.length, {
    data: Int32Array.from(cells, (cell) => Number(cell ?? 0)),
    validity: validityOf(cells),
  });

export const buildInt64s: Build = ({ type }, cells) =>
  makeColumn(type, cells.length, {
    data: BigInt64Array.from(cells, (cell) => (cell ?? 0n) as bigint),
    validity: validityOf(cells),
  });

export const buildFloat32s: Build = ({ type }, cells) =>
  makeColumn(type, cells.length, {
    data: Float32Array.from(cells, (cell) => Number(cell ?? 0)),
    validity: validityOf(cells),
  });

export const buildFloat64s: Build = ({ type }, cells) =>
  makeColumn(type, cells.length, {
    data: Float64Array.from(cells, (cell) => Number(cell ?? 0)),
    validity: validityOf(cells),
  });

/** Strings and bytes. */
export const buildBytes: Build = ({ type }, cells) => {
  const valueOffsets = new Int32Array(cells.length + 1);
  for (const [row, cell] of cells.entries()) valueOffsets[row + 1] = valueOffsets[row]! + byteLength(cell);
  const data = Buffer.alloc(valueOffsets.at(-1)!);
  for (const [row, cell] of cells.entries()) {
    if (typeof cell === 'string') data.write(cell, valueOffsets[row]!);
    else if (cell !== null) data.set(cell as Uint8Array, valueOffsets[row]!);
  }
  return makeColumn(type, cells.length, { data, valueOffsets, validity: validityOf(cells) });
};

/** @param element builds the elements of all lists, one behind the other */
export function buildLists(element: Build): Build {
  return ({ type }, cells) => {
    const lists = cells as readonly (readonly Cell[] | null)[];
    const valueOffsets = new Int32Array(lists.length + 1);
    for (const [row, list] of lists.entries()) valueOffsets[row + 1] = valueOffsets[row]! + (list?.length ?? 0);
    const elements = lists.flatMap((list) => list ?? []);
    const children = [element(type.children[0], elements)];
    return makeColumn(type, lists.length, { valueOffsets, children, validity: validityOf(cells) });
  };
}

/** @param members build the members, in their order */
export function buildStructs(members: readonly Build[]): Build {
  return ({ type }, cells) => {
    const structs = cells as readonly (readonly Cell[] | null)[];
    const children = members.map((build, place) =>
      build(
        type.children[place],
        structs.map((struct) => struct?.[place] ?? null),
      ),
    );
    return makeColumn(type, structs.length, { children, validity: validityOf(cells) });
  };
}

function byteLength(cell: Cell | undefined): number {
  return typeof cell === 'string' ? Buffer.byteLength(cell) : ((cell as Uint8Array | null)?.length ?? 0);
}

/** About how many bytes a cell takes. */
export function cellBytes(cell: Cell): number {
  if (Array.isArray(cell)) return (cell as readonly Cell[]).reduce<number>((sum, one) => sum + cellBytes(one), 8);
  return typeof cell === 'string' || cell instanceof Uint8Array ? cell.length + 4 : 8;
}
