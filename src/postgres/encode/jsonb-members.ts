const COMMA = 0x2c;
const SPACE = 0x20;

/** Numbers kept of a member: where it begins, how long its key is in quotes, and where it ends. */
const MEMBER = 3;
/** Members that are sorted by insertion. */
const MOST_INSERTED = 32;

/** Members of the objects that are being written, those of inner objects behind those of the ones around them. */
export class Members {
  readonly #members: number[] = [];
  /** An object as it was written, while its members are put into order. */
  #unsorted = new Uint8Array(4096);

  /** Where the next one will be kept. */
  get count(): number {
    return this.#members.length;
  }

  add(start: number, keyLength: number, end: number): void {
    this.#members.push(start, keyLength, end);
  }

  clear(): void {
    this.#members.length = 0;
  }

  /**
   * Puts the members from `first` on, which lie in [start, end), into the order of jsonb, and forgets them. Keys go by
   * the length of their bytes, then by the bytes; of equal ones the last member stays.
   * @returns the new end
   */
  sort(bytes: Uint8Array, first: number, start: number, end: number): number {
    const written = this.#isOrdered(bytes, first) ? end : this.#rewrite(bytes, first, start, end);
    this.#members.length = first;
    return written;
  }

  #isOrdered(bytes: Uint8Array, first: number): boolean {
    for (let member = first + MEMBER; member < this.#members.length; member += MEMBER) {
      if (this.#compare(bytes, member - MEMBER, member) >= 0) return false;
    }
    return true;
  }

  #rewrite(bytes: Uint8Array, first: number, start: number, end: number): number {
    const members = this.#members;
    if (members.length - first > MOST_INSERTED * MEMBER) this.#sortMany(bytes, first);
    else this.#insertAll(bytes, first);
    if (this.#unsorted.length < end) this.#unsorted = new Uint8Array(2 * end);
    for (let at = start; at < end; at++) this.#unsorted[at] = bytes[at]!;
    let to = start;
    for (let member = first; member < members.length; member += MEMBER) {
      const next = member + MEMBER;
      if (next < members.length && this.#compare(this.#unsorted, member, next) === 0) continue;
      if (to > start) {
        bytes[to++] = COMMA;
        bytes[to++] = SPACE;
      }
      for (let at = members[member]!; at < members[member + 2]!; at++) bytes[to++] = this.#unsorted[at]!;
    }
    return to;
  }

  /** Makes no garbage: objects have few members, and there are many objects. */
  #insertAll(bytes: Uint8Array, first: number): void {
    const members = this.#members;
    for (let next = first + MEMBER; next < members.length; next += MEMBER) {
      for (let at = next; at > first && this.#compare(bytes, at - MEMBER, at) > 0; at -= MEMBER) {
        for (let part = 0; part < MEMBER; part++) {
          const moved = members[at + part]!;
          members[at + part] = members[at - MEMBER + part]!;
          members[at - MEMBER + part] = moved;
        }
      }
    }
  }

  #sortMany(bytes: Uint8Array, first: number): void {
    const members = this.#members;
    const order = Array.from({ length: (members.length - first) / MEMBER }, (_, index) => first + index * MEMBER);
    order.sort((a, b) => this.#compare(bytes, a, b) || a - b);
    const sorted = order.flatMap((member) => members.slice(member, member + MEMBER));
    for (const [index, part] of sorted.entries()) members[first + index] = part;
  }

  #compare(bytes: Uint8Array, a: number, b: number): number {
    const members = this.#members;
    const length = members[a + 1]!;
    if (length !== members[b + 1]!) return length - members[b + 1]!;
    const [one, other] = [members[a]!, members[b]!];
    for (let index = 0; index < length; index++) {
      const difference = bytes[one + index]! - bytes[other + index]!;
      if (difference !== 0) return difference;
    }
    return 0;
  }
}
