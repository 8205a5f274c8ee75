import { giveBack } from '../base/memory.ts';

/** Slots that there are at first, a power of two. */
const LEAST_SLOTS = 1024;
/** Spreads neighbours over the slots (Knuth, The Art of Computer Programming, volume 3, 6.4). */
const SPREAD = 0x9e3779b1;

/**
 * A hash and a mark for rows of a partition, by their place: for a few of very many in a table with open addressing, of
 * which at least half is empty, and from about a quarter of them on in a slot for each place, which takes no more.
 */
export class PlaceHashes {
  readonly #rows: number;
  #count = 0;
  /** By slots; 0 is an empty one. */
  #marks = new Uint8Array();
  /** Two halves each. */
  #hashes = new Int32Array();
  /** Of the row in a slot; undefined when that is the slot itself. */
  #places: Int32Array<ArrayBuffer> | undefined;
  /** Leaves of a product as many bits as number the slots. */
  #shift = 0;

  /** @param rows of the partition; places are counted from 0 */
  constructor(rows: number) {
    this.#rows = rows;
    this.#make(LEAST_SLOTS);
  }

  /** @returns 0 for a place that was not set */
  mark(place: number): number {
    return this.#marks[this.#slotOf(place)]!;
  }

  /** Whether this is the hash of a place that was set. */
  equals(place: number, hash: Int32Array): boolean {
    const slot = this.#slotOf(place);
    return this.#hashes[2 * slot] === hash[0] && this.#hashes[2 * slot + 1] === hash[1];
  }

  /** @param mark not 0 */
  set(place: number, hash: Int32Array, mark: number): void {
    if (this.#places && this.mark(place) === 0 && 2 * ++this.#count > this.#marks.length) this.#grow();
    this.#put(place, hash[0]!, hash[1]!, mark);
  }

  /** To be called when nobody asks any more: V8 is in no hurry with what lived for so long. */
  dispose(): void {
    for (const { buffer } of [this.#marks, this.#hashes, ...(this.#places ? [this.#places] : [])]) giveBack(buffer);
  }

  #put(place: number, first: number, second: number, mark: number): void {
    const slot = this.#slotOf(place);
    if (this.#places) this.#places[slot] = place;
    this.#marks[slot] = mark;
    this.#hashes[2 * slot] = first;
    this.#hashes[2 * slot + 1] = second;
  }

  #slotOf(place: number): number {
    if (!this.#places) return place;
    const last = this.#marks.length - 1;
    let slot = Math.imul(place, SPREAD) >>> this.#shift;
    while (this.#marks[slot] !== 0 && this.#places[slot] !== place) slot = (slot + 1) & last;
    return slot;
  }

  #grow(): void {
    const [marks, hashes, places] = [this.#marks, this.#hashes, this.#places!];
    this.#make(2 * marks.length);
    for (const [slot, mark] of marks.entries()) {
      if (mark !== 0) this.#put(places[slot]!, hashes[2 * slot]!, hashes[2 * slot + 1]!, mark);
    }
    for (const { buffer } of [marks, hashes, places]) giveBack(buffer);
  }

  #make(slots: number): void {
    const forAll = 2 * slots > this.#rows;
    const count = forAll ? this.#rows : slots;
    this.#marks = new Uint8Array(count);
    this.#hashes = new Int32Array(2 * count);
    this.#places = forAll ? undefined : new Int32Array(count);
    this.#shift = Math.clz32(slots - 1);
  }
}
