import { readFile, writeFile } from 'node:fs/promises';

/**
 * Replaces bytes in the footer of a Parquet file by others of the same length, so that everything else stays in place.
 * @throws when they stand nowhere, or the lengths differ
 */
export async function patchFooter(file: string, from: Uint8Array | string, to: Uint8Array | string): Promise<void> {
  const [wanted, replacement] = [Buffer.from(from), Buffer.from(to)];
  const content = await readFile(file);
  const footer = content.subarray(content.length - 8 - content.readUInt32LE(content.length - 8));
  let at = footer.indexOf(wanted);
  if (at === -1 || wanted.length !== replacement.length) throw new Error(`${file} cannot be patched so`);
  for (; at !== -1; at = footer.indexOf(wanted, at + wanted.length)) replacement.copy(footer, at);
  await writeFile(file, content);
}

/**
 * A number in Thrift's compact protocol (zigzag, seven bits a byte), stretched to so many bytes.
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */
export function thriftNumber(value: number, bytes: number): Uint8Array {
  const zigzag = value * 2;
  return Uint8Array.from({ length: bytes }, (_, index) => {
    return (Math.floor(zigzag / 128 ** index) % 128) + (index < bytes - 1 ? 128 : 0);
  });
}
