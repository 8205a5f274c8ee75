import { rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { hashOf } from '../../src/sources/session/gdbm.ts';

/** Writes sessions as Python's shelves do: the entries, by key. */
export type Entries = Iterable<readonly [key: string, value: Buffer]>;

export const CONTAINERS = { gdbm: writeGdbm, sqlite: writeSqlite, dumb: writeDumb } as const;
export type ContainerName = keyof typeof CONTAINERS;

/** A shelf of Python 3.13 and newer. */
export function writeSqlite(path: string, entries: Entries): void {
  rmSync(path, { force: true });
  const database = new DatabaseSync(path);
  database.exec('create table Dict (key blob unique not null, value blob not null); begin');
  const insert = database.prepare('insert into Dict values (?, ?)');
  for (const [key, value] of entries) insert.run(Buffer.from(key), value);
  database.exec('commit');
  database.close();
}

const DUMB_BLOCK_BYTES = 512;

/** `dbm.dumb`: makes `<path>.dat` and `<path>.dir`. */
export function writeDumb(path: string, entries: Entries): void {
  const data: Buffer[] = [];
  const index: string[] = [];
  let at = 0;
  for (const [key, value] of entries) {
    index.push(`'${key}', (${at}, ${value.length})\n`);
    const padded = Buffer.alloc(Math.ceil(value.length / DUMB_BLOCK_BYTES) * DUMB_BLOCK_BYTES);
    value.copy(padded);
    data.push(padded);
    at += padded.length;
  }
  writeFileSync(`${path}.dat`, Buffer.concat(data));
  writeFileSync(`${path}.dir`, index.join(''), 'latin1');
}

const BUCKET_BYTES = 4096;
const BUCKET_ELEMENTS = Math.floor((BUCKET_BYTES - 112) / 24);

/** GDBM with 64-bit offsets: as many buckets as are needed for none to be over-full. */
export function writeGdbm(path: string, entries: Entries): void {
  const all = [...entries].map(([key, value]) => ({ key: Buffer.from(key), value, hash: hashOf(Buffer.from(key)) }));
  let bits = 9;
  const bucketOf = (hash: number) => Math.floor(hash / 2 ** (31 - bits));
  const fullest = () =>
    Math.max(0, ...[...Map.groupBy(all, ({ hash }) => bucketOf(hash)).values()].map((group) => group.length));
  while (fullest() > BUCKET_ELEMENTS) bits++;
  const groups = Map.groupBy(all, ({ hash }) => bucketOf(hash));
  const directoryBytes = 2 ** bits * 8;

  const header = Buffer.alloc(BUCKET_BYTES);
  header.writeUInt32LE(0x13579acf, 0);
  header.writeUInt32LE(BUCKET_BYTES, 4);
  header.writeBigUInt64LE(BigInt(BUCKET_BYTES), 8);
  header.writeInt32LE(directoryBytes, 16);
  header.writeInt32LE(bits, 20);
  header.writeInt32LE(BUCKET_BYTES, 24);
  header.writeInt32LE(BUCKET_ELEMENTS, 28);

  const directory = Buffer.alloc(directoryBytes);
  const firstBucket = BUCKET_BYTES + directoryBytes;
  const numbers = [...groups.keys()];
  const emptyBucket = firstBucket + numbers.length * BUCKET_BYTES;
  for (let place = 0; place < 2 ** bits; place++) {
    const number = numbers.indexOf(place);
    const at = number === -1 ? emptyBucket : firstBucket + number * BUCKET_BYTES;
    directory.writeBigUInt64LE(BigInt(at), place * 8);
  }
  const data: Buffer[] = [];
  let at = emptyBucket + BUCKET_BYTES;
  const buckets = [...groups.values(), []].map((group) => {
    const bucket = Buffer.alloc(BUCKET_BYTES);
    bucket.writeInt32LE(bits, 104);
    bucket.writeInt32LE(group.length, 108);
    for (let element = 0; element < BUCKET_ELEMENTS; element++) bucket.writeInt32LE(-1, 112 + element * 24);
    for (const { key, value, hash } of group) {
      let element = hash % BUCKET_ELEMENTS;
      while (bucket.readInt32LE(112 + element * 24) !== -1) element = (element + 1) % BUCKET_ELEMENTS;
      const place = 112 + element * 24;
      bucket.writeInt32LE(hash, place);
      key.copy(bucket, place + 4, 0, 4);
      bucket.writeBigUInt64LE(BigInt(at), place + 8);
      bucket.writeInt32LE(key.length, place + 16);
      bucket.writeInt32LE(value.length, place + 20);
      data.push(key, value);
      at += key.length + value.length;
    }
    return bucket;
  });
  writeFileSync(path, Buffer.concat([header, directory, ...buckets, ...data]));
}
