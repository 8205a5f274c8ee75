import { type Container, type Entry, LARGEST_ENTRY, Reader, tooLarge } from './container.ts';

/** The first four bytes of a file with 64-bit offsets, without and with a count of synchronisations. */
export const GDBM_MAGICS: readonly number[] = [0x13579acf, 0x13579ad1];

const HEADER_BYTES = 64;
/** Before the elements of a bucket: a list of free places, the bucket's depth, and how many elements are in use. */
const BUCKET_HEADER_BYTES = 112;
const ELEMENT_BYTES = 24;
const FREE = -1;
/** Directory entries that are read at once. */
const DIRECTORY_PIECE_BYTES = 64 * 1024;

/**
 * GDBM, little-endian with 64-bit offsets, as Python's `dbm.gnu` writes it on today's machines: a directory of buckets,
 * and in each the places of its entries.
 * Format: https://www.gnu.org.ua/software/gdbm/manual/ and gdbm's own gdbmdefs.h
 */
export const gdbm: Container = {
  name: 'GDBM',

  async *entries(file) {
    const reader = await Reader.open(file);
    try {
      const { bucketBytes, elements, directory, directoryBytes } = await readHeader(reader);
      const seen = new Set<number>();
      for (let from = 0; from < directoryBytes; from += DIRECTORY_PIECE_BYTES) {
        const piece = await reader.read(directory + from, Math.min(DIRECTORY_PIECE_BYTES, directoryBytes - from));
        for (let at = 0; at < piece.length; at += 8) {
          // Several places of the directory lead to one bucket until it is split.
          const bucket = Number(piece.readBigUInt64LE(at));
          if (seen.has(bucket)) continue;
          seen.add(bucket);
          yield* readBucket(await reader.read(bucket, bucketBytes), elements, reader);
        }
      }
    } finally {
      await reader.close();
    }
  },
};

async function readHeader(reader: Reader) {
  const header = await reader.read(0, HEADER_BYTES);
  const directory = Number(header.readBigUInt64LE(8));
  const directoryBytes = header.readInt32LE(16);
  const bucketBytes = header.readInt32LE(24);
  const elements = header.readInt32LE(28);
  const fits = elements > 0 && BUCKET_HEADER_BYTES + elements * ELEMENT_BYTES <= bucketBytes;
  if (!fits || bucketBytes > reader.size) throw reader.damaged('its header gives impossible sizes of buckets');
  if (directoryBytes <= 0 || directoryBytes % 8 !== 0) throw reader.damaged('its directory has an impossible size');
  return { bucketBytes, elements, directory, directoryBytes };
}

async function* readBucket(bucket: Buffer, elements: number, reader: Reader): AsyncGenerator<Entry> {
  for (let element = 0; element < elements; element++) {
    const at = BUCKET_HEADER_BYTES + element * ELEMENT_BYTES;
    const hash = bucket.readInt32LE(at);
    if (hash === FREE) continue;
    const start = bucket.subarray(at + 4, at + 8);
    const pointer = Number(bucket.readBigUInt64LE(at + 8));
    const [keyBytes, valueBytes] = [bucket.readInt32LE(at + 16), bucket.readInt32LE(at + 20)];
    if (keyBytes < 0 || keyBytes > LARGEST_ENTRY || valueBytes < 0) throw reader.damaged('an entry has no size');
    reader.claim(keyBytes + valueBytes);
    const key = await reader.read(pointer, keyBytes);
    // The bucket has the beginning of the key as well, and so tells whether the pointer leads to it.
    if (!key.subarray(0, 4).equals(start.subarray(0, keyBytes)) || hashOf(key) !== hash) {
      throw reader.damaged(`the entry at byte ${pointer} is not the one that its bucket names`);
    }
    const name = key.toString('utf8');
    if (valueBytes > LARGEST_ENTRY) yield tooLarge(name, valueBytes);
    else yield { key: name, content: await reader.read(pointer + keyBytes, valueBytes) };
  }
}

/** As gdbm places keys; all arithmetic is of 31 bits. */
export function hashOf(key: Uint8Array): number {
  let value = BigInt(0x238f13af) * BigInt(key.length);
  for (const [place, byte] of key.entries()) value = (value + (BigInt(byte) << BigInt((place * 5) % 24))) & 0x7fffffffn;
  return Number((1103515243n * value + 12345n) & 0x7fffffffn);
}
