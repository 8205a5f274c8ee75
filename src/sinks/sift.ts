import { CopyIn } from '../postgres/copy-in.ts';
import { hashImage } from '../postgres/image-hash.ts';
import type { Placed } from './careful.ts';
import { Images } from './images.ts';
import { Intake } from './intake.ts';
import { dropKeys, type Known, stageKeys } from './known.ts';
import type { LoadRequest } from './request.ts';
import type { Stretch } from './row-copy.ts';
import { StageMerge } from './stage-merge.ts';

/** Images of changed rows that are held before they go to the stage; only one COPY can be going on. */
const HELD_BYTES = 2 * 1024 * 1024;
/** The share of known rows from which on it is likely that most are unchanged, too. */
const MOSTLY_KNOWN = 1 / 4;
/** In front of a row's fields. */
const FIELD_COUNT_BYTES = 2;

export interface Loaded {
  intake: Intake;
  placed: Placed;
}

/**
 * Loads rows of which the table has some already. Their keys go first, and what the table has for them comes back; then
 * new rows are copied straight into the table, changed ones are merged by way of a stage, and unchanged ones are left
 * alone.
 * @returns undefined when that cannot be done, because several rows of the partition have the same key
 */
export async function sift(request: LoadRequest): Promise<Loaded | undefined> {
  const known = await stageKeys(request);
  if (!known) return undefined;
  try {
    return (await compare(request, known)) ?? (await new Sieve(request, known).load());
  } finally {
    known.dispose();
  }
}

/** Asks what the table has. @returns undefined when there is something to load */
async function compare(request: LoadRequest, known: Known): Promise<Loaded | undefined> {
  let reading: Promise<Ours | undefined> | undefined;
  try {
    await known.ask(request, () => {
      if (reading || known.count < known.rows * MOSTLY_KNOWN) return;
      // The server is still sending; meanwhile we can see whether there is anything to load at all.
      reading = readOurs(request, known);
      reading.catch(() => undefined);
    });
  } finally {
    await reading?.catch(() => undefined);
  }
  await dropKeys(request.client);
  const ours = await reading;
  if (ours?.count !== known.same) return undefined;
  await ours.intake.writeDown();
  return { intake: ours.intake, placed: ours.placed() };
}

/** The rows of a partition, which are compared with what the table has. */
class Ours {
  readonly intake: Intake;
  count = 0;
  readonly #known: Known;
  readonly #images: Images;
  readonly #hash = new Int32Array(2);

  constructor({ table, columns, keepRejects, lost }: LoadRequest, known: Known) {
    this.#known = known;
    this.intake = new Intake(table.sql, columns, keepRejects, lost);
    this.#images = new Images(columns);
  }

  add(stretch: Stretch, first: number): void {
    for (const each of this.#images.of(stretch)) {
      const { bytes, view } = this.#images;
      each((row, start, end) => {
        hashImage(bytes, view, start + FIELD_COUNT_BYTES, end, this.#hash);
        this.#known.meet(first + row, this.#hash);
        this.count++;
      });
    }
  }

  placed(): Placed {
    return { written: 0, unchanged: this.count, superseded: 0, checksum: this.#images.checksum.toString() };
  }
}

/** @returns undefined when there is more to it than comparing */
async function readOurs(request: LoadRequest, known: Known): Promise<Ours | undefined> {
  const ours = new Ours(request, known);
  for await (const source of request.batches(false)) {
    const first = ours.intake.read;
    if (first + source.batch.numRows > known.rows) return undefined;
    for (const stretch of ours.intake.examine(source)) ours.add(stretch, first);
    // Nothing can be written down while the server is sending.
    if (ours.intake.isFull) return undefined;
    request.onProgress(ours.intake.read);
  }
  return ours;
}

/** Parts new rows from changed and unchanged ones, and brings each to where it belongs. */
class Sieve {
  readonly #request: LoadRequest;
  readonly #known: Known;
  readonly #intake: Intake;
  readonly #images: Images;
  readonly #names: string[];
  readonly #stage: StageMerge;
  readonly #held: Uint8Array[] = [];
  #heldBytes = 0;
  #copy: CopyIn | undefined;
  #counts = { written: 0, staged: 0, unchanged: 0 };

  constructor(request: LoadRequest, known: Known) {
    const { client, table, target, columns, keepRejects, lost } = request;
    this.#request = request;
    this.#known = known;
    this.#intake = new Intake(table.sql, columns, keepRejects, lost);
    this.#images = new Images(columns);
    this.#names = columns.map(({ name }) => name);
    this.#stage = new StageMerge(client, table, target, columns);
  }

  async load(): Promise<Loaded> {
    const intake = this.#intake;
    try {
      for await (const source of this.#request.batches(false)) {
        const first = intake.read;
        for (const stretch of intake.examine(source)) await this.#pass(stretch, first);
        if (this.#heldBytes > HELD_BYTES) await this.#stageHeld();
        if (intake.isFull) {
          await this.#finishCopy();
          await intake.writeDown();
        }
        this.#request.onProgress(intake.read);
      }
      await this.#stageHeld();
    } catch (error) {
      await this.#copy?.abandon();
      throw error;
    }
    await intake.writeDown();
    const { written, staged, unchanged } = this.#counts;
    const merged = staged > 0 ? await this.#stage.merge(staged) : { written: 0, unchanged: 0, superseded: 0 };
    await this.#stage.close();
    const checksum = this.#images.checksum.toString();
    const { superseded } = merged;
    return {
      intake,
      placed: { written: written + merged.written, unchanged: unchanged + merged.unchanged, superseded, checksum },
    };
  }

  async #pass(stretch: Stretch, first: number): Promise<void> {
    const hash = new Int32Array(2);
    for (const each of this.#images.of(stretch)) {
      const { bytes, view } = this.#images;
      const fresh: Uint8Array[] = [];
      let freshBytes = 0;
      let runStart = 0;
      let runEnd = 0;
      const endRun = () => {
        if (runEnd > runStart) fresh.push(bytes.subarray(runStart, runEnd));
        freshBytes += runEnd - runStart;
      };
      each((row, start, end) => {
        if (!this.#known.has(first + row)) {
          if (start !== runEnd) {
            endRun();
            runStart = start;
          }
          runEnd = end;
          return;
        }
        hashImage(bytes, view, start + FIELD_COUNT_BYTES, end, hash);
        if (this.#known.equals(first + row, hash)) this.#counts.unchanged++;
        else {
          this.#held.push(bytes.slice(start, end));
          this.#heldBytes += end - start;
        }
      });
      endRun();
      if (freshBytes > 0) await this.#send(fresh, freshBytes);
    }
  }

  async #send(images: readonly Uint8Array[], size: number): Promise<void> {
    const { client, table } = this.#request;
    this.#copy ??= new CopyIn(client, table.sql, this.#names);
    await send(this.#copy, images, size);
  }

  async #finishCopy(): Promise<void> {
    const copy = this.#copy;
    this.#copy = undefined;
    if (copy) this.#counts.written += await copy.finish();
  }

  async #stageHeld(): Promise<void> {
    await this.#finishCopy();
    if (this.#heldBytes === 0) return;
    if (this.#counts.staged === 0) await this.#stage.openStage();
    this.#copy = new CopyIn(this.#request.client, this.#stage.stage, this.#names);
    await send(this.#copy, this.#held, this.#heldBytes);
    this.#counts.staged += this.#held.length;
    this.#held.length = 0;
    this.#heldBytes = 0;
    await this.#copy.finish();
    this.#copy = undefined;
  }
}

async function send(copy: CopyIn, images: readonly Uint8Array[], size: number): Promise<void> {
  const frame = await copy.reserve(size);
  let at = 0;
  for (const image of images) {
    frame.rows.set(image, at);
    at += image.length;
  }
  copy.send(frame);
}
