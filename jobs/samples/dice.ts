/** Chance that is the same every time for the same seed. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to 1. The generator is mulberry32. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(count: number): number {
    return Math.floor(this.fraction() * count);
  }

  chance(share: number): boolean {
    return this.fraction() < share;
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)]!;
  }

  /** A UUID of version 4. */
  uuid(): string {
    const hex = Array.from({ length: 32 }, () => this.below(16).toString(16));
    hex[12] = '4';
    hex[16] = (8 + this.below(4)).toString(16);
    return hex.join('').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }

  /** A time as Python's `str` writes it. */
  moment(): string {
    const [day, hour, minute] = [1 + this.below(28), this.below(24), this.below(60)];
    const two = (value: number) => String(value).padStart(2, '0');
    return `2025-${two(1 + this.below(12))}-${two(day)} ${two(hour)}:${two(minute)}:07.${String(this.below(1e6)).padStart(6, '0')}`;
  }

  /** Numbers with six decimals that point in any direction. */
  direction(dimensions: number): number[] {
    return Array.from({ length: dimensions }, () => Math.round((this.fraction() * 2 - 1) * 1e6) / 1e6);
  }

  /** Almost the same direction: the cosine between both is about 0.97. */
  near(direction: readonly number[]): number[] {
    return direction.map((one) => Math.round((one + (this.fraction() - 0.5) * 0.5) * 1e6) / 1e6);
  }
}
