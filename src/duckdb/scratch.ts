import { giveBack } from '../base/memory.ts';

/** Large enough for the system to take it back whole. */
const BLOCK_BYTES = 1024 * 1024;
/** Where columns begin; and what lies between two, since at distances of 4 kB the cache has too few places for a row. */
const [ALIGNED, APART] = [64, 64];

/**
 * Memory that is used again for every chunk of a scan: a batch is good until the next one is asked for, so its copies
 * need not be new each time. What is taken holds whatever was there before.
 */
export class Scratch {
  readonly #buffers: ArrayBuffer[] = [];
  #next = 0;
  #borrowed: ArrayBuffer[] = [];
  /** Bytes taken and borrowed since the last `reset`. */
  bytesInUse = 0;
  /** Those of them that are copies which the bindings have made. */
  bytesBorrowed = 0;
  readonly #packs: boolean;
  /** What is left of the latest block. */
  #block = new Uint8Array();

  /** @param packs whether what is borrowed goes into blocks: thousands of small buffers that live for long leave holes */
  constructor(packs = false) {
    this.#packs = packs;
  }

  /** Everything taken before may be overwritten from now on, and what was borrowed is given back. */
  reset(): void {
    this.#next = 0;
    this.bytesInUse = 0;
    this.bytesBorrowed = 0;
    for (const buffer of this.#borrowed) giveBack(buffer);
    this.#borrowed = [];
    this.#block = new Uint8Array();
  }

  /** Gives everything back at once; no batch that lies in it may be looked at any more. */
  dispose(): void {
    this.reset();
    for (const buffer of this.#buffers) giveBack(buffer);
    this.#buffers.length = 0;
  }

  /** Takes over a copy that the bindings have made, to give its memory back at the next `reset`. */
  borrow<Bytes extends Uint8Array>(copy: Bytes): Bytes {
    this.bytesInUse += copy.byteLength;
    this.bytesBorrowed += copy.byteLength;
    if (this.#packs) return this.#pack(copy) as Bytes;
    this.#borrowed.push(copy.buffer as ArrayBuffer);
    return copy;
  }

  #pack(copy: Uint8Array): Uint8Array {
    const { length } = copy;
    if (this.#block.length < length) {
      const buffer = new ArrayBuffer(Math.max(BLOCK_BYTES, length));
      this.#borrowed.push(buffer);
      this.#block = new Uint8Array(buffer);
    }
    const packed = this.#block.subarray(0, length);
    packed.set(copy);
    this.#block = this.#block.subarray(Math.ceil(length / ALIGNED) * ALIGNED + APART);
    giveBack(copy.buffer as ArrayBuffer);
    return packed;
  }

  bytes(length: number): Uint8Array {
    const slot = this.#next++;
    this.bytesInUse += length;
    const kept = this.#buffers[slot];
    if (kept && kept.byteLength >= length) return new Uint8Array(kept, 0, length);
    // A quarter more, so that sizes that vary a little do not cost a buffer each time.
    const buffer = new ArrayBuffer(Math.ceil((length * 1.25 + 64) / 64) * 64);
    this.#buffers[slot] = buffer;
    return new Uint8Array(buffer, 0, length);
  }

  int32(length: number): Int32Array {
    return new Int32Array(this.bytes(length * 4).buffer as ArrayBuffer, 0, length);
  }
}
