import { quoteIdentifier } from '../postgres/catalog.ts';
import { Checksum } from '../postgres/checksum.ts';
import { copyOut } from '../postgres/copy-out.ts';
import { Images } from './images.ts';
import { Intake } from './intake.ts';
import type { MappedColumn } from './mapping.ts';
import type { LoadRequest } from './request.ts';
import type { Loaded } from './sift.ts';

/** Types whose values lie between two others, and how a value's upper bits are read of its bytes in an image. */
const WHOLE: Readonly<Record<string, (view: DataView, at: number) => number>> = {
  smallint: (view, at) => view.getInt16(at),
  integer: (view, at) => view.getInt32(at),
  bigint: (view, at) => view.getInt32(at),
};
/** Of a `bigint`, the lower bits, by their place behind the upper ones. */
const LOWER = 4;
/** In the image of a key: the field count, and the length of the field. */
const BEFORE_KEY = 6;

/**
 * Whether the table holds exactly the partition's rows between the smallest and the largest of their keys, as it does when
 * the same is loaded again: then there is nothing to do, and no key has to be sent to find that out. Both sides add up the
 * checksums of their rows, whose order does not matter.
 * @returns undefined when there is more to it
 */
export async function sameAlready(request: LoadRequest): Promise<Loaded | undefined> {
  const { client, table, columns, met, onMet, seen } = request;
  const range = met === 'changes' || seen !== undefined ? undefined : await keyRange(request);
  if (!range) return undefined;
  const within = `from ${table.sql} t where t.${range.key} between ${range.least} and ${range.most}`;
  const { rows } = await client.query<{ rows: number }>(`select count(*) as rows ${within}`);
  if (rows[0]!.rows !== range.rows) return undefined;

  const reading = sumUp(request);
  reading.catch(() => undefined);
  const theirs = new Checksum();
  const list = columns.map(({ name }) => `t.${quoteIdentifier(name)}`).join(', ');
  try {
    await copyOut(client, `select ${list} ${within}`, (bytes, view, start, end) => theirs.add(bytes, view, start, end));
  } finally {
    await reading.catch(() => undefined);
  }
  const ours = await reading;
  const checksum = theirs.toString();
  if (ours?.read === range.rows && ours.checksum === checksum) {
    return { intake: ours.intake, placed: { written: 0, unchanged: range.rows, superseded: 0, checksum } };
  }
  onMet('changes');
  return undefined;
}

interface Range {
  /** Quoted. */
  key: string;
  least: bigint;
  most: bigint;
  rows: number;
}

/** @returns undefined for keys that are no whole numbers, or of which some cannot be encoded */
async function keyRange({ target, columns, table, only }: LoadRequest): Promise<Range | undefined> {
  const [name, ...others] = target.key;
  const key = columns.find((column) => column.name === name);
  const type = table.columns.find((column) => column.name === name)?.type ?? '';
  const upperAt = WHOLE[type];
  if (!key || !upperAt || others.length > 0) return undefined;
  const wide = type === 'bigint';
  // The values as Postgres will have them, whatever the source has them in.
  const own: MappedColumn = { ...key, position: 0 };
  const intake = new Intake(table.sql, [own], async () => undefined);
  const images = new Images([own]);
  // In two halves, since arithmetic on BigInt would take longer than all the rest.
  let [leastUpper, leastLower, mostUpper, mostLower] = [Number.POSITIVE_INFINITY, 0, Number.NEGATIVE_INFINITY, 0];
  for await (const source of only!([key.source])) {
    for (const stretch of intake.examine(source)) {
      for (const each of images.of(stretch)) {
        each((_, start) => {
          const at = start + BEFORE_KEY;
          const upper = upperAt(images.view, at);
          const lower = wide ? images.view.getUint32(at + LOWER) : 0;
          if (upper < leastUpper || (upper === leastUpper && lower < leastLower)) {
            [leastUpper, leastLower] = [upper, lower];
          }
          if (upper > mostUpper || (upper === mostUpper && lower > mostLower)) {
            [mostUpper, mostLower] = [upper, lower];
          }
        });
      }
    }
    if (intake.rejected > 0) return undefined;
  }
  if (intake.read === 0) return undefined;
  const whole = (upper: number, lower: number) => (wide ? (BigInt(upper) << 32n) | BigInt(lower) : BigInt(upper));
  const [least, most] = [whole(leastUpper, leastLower), whole(mostUpper, mostLower)];
  return { key: quoteIdentifier(key.name), least, most, rows: intake.read };
}

/** @returns undefined when a row cannot be encoded */
async function sumUp({ table, columns, keepRejects, lost, batches, onProgress }: LoadRequest) {
  const intake = new Intake(table.sql, columns, keepRejects, lost);
  const images = new Images(columns);
  for await (const source of batches(false)) {
    for (const stretch of intake.examine(source)) for (const _ of images.of(stretch));
    if (intake.rejected > 0) return undefined;
    onProgress(intake.read);
  }
  return { intake, read: intake.read, checksum: images.checksum.toString() };
}
