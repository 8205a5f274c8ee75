const startsWith =
  (...bytes: number[]) =>
  (head: Buffer) =>
    bytes.every((byte, index) => head[index] === byte);
const begins = (text: string) => (head: Buffer) => head.toString('latin1').startsWith(text);

/** What files turn out to be that are called something else; the first match counts. */
const KINDS: readonly [string, (head: Buffer) => boolean][] = [
  ['is a Git LFS pointer; fetch the file itself with "git lfs pull"', begins('version https://git-lfs')],
  ['is an HTML page', (head) => /^\uFEFF?\s*<(!doctype|html)/i.test(head.toString())],
  ['is XML', (head) => /^\uFEFF?\s*<\?xml/i.test(head.toString())],
  ['is a Parquet file', begins('PAR1')],
  ['is an Arrow file', begins('ARROW1')],
  ['is packed with gzip; name it .gz', startsWith(0x1f, 0x8b)],
  ['is packed with Zstandard; name it .zst', startsWith(0x28, 0xb5, 0x2f, 0xfd)],
  ['is a ZIP archive, as spreadsheets are; unpack it or export it as CSV', startsWith(0x50, 0x4b, 0x03, 0x04)],
  ['is a SQLite database', begins('SQLite format 3')],
  ['is UTF-16; write it anew as UTF-8', (head) => startsWith(0xff, 0xfe)(head) || startsWith(0xfe, 0xff)(head)],
];

/** What a file is, by its first bytes, when it is none that we read by any other name. */
export function misnamed(head: Buffer): string | undefined {
  return KINDS.find(([, matches]) => matches(head))?.[0];
}
