/** An answer that takes longer does not come from this machine's memory. */
const SLOW_MS = 0.5;
/** So many in a row, since a busy machine may take its time once. */
const SLOW_ANSWERS = 3;
/** How long it is then left to others. */
const AWAY_MS = 1_000;

/**
 * One kind of question about files. Where these are near, as on a disk of this machine, they are asked for in this very
 * thread: handing a question over to another one and hearing from it takes longer than the answer. Over a network each
 * answer takes long, and many have to be under way at a time. Which it is shows in how long answers take.
 */
export class Near<Args extends unknown[], Answer> {
  readonly #here: (...args: Args) => Answer;
  readonly #elsewhere: (...args: Args) => Promise<Answer>;
  #slow = 0;
  #awayUntilMs = 0;

  /** @param here answers in this thread @param elsewhere answers the same in another one */
  constructor(here: (...args: Args) => Answer, elsewhere: (...args: Args) => Promise<Answer>) {
    this.#here = here;
    this.#elsewhere = elsewhere;
  }

  async ask(...args: Args): Promise<Answer> {
    const beganMs = performance.now();
    if (beganMs < this.#awayUntilMs) return this.#elsewhere(...args);
    try {
      return this.#here(...args);
    } finally {
      const nowMs = performance.now();
      this.#slow = nowMs - beganMs > SLOW_MS ? this.#slow + 1 : 0;
      if (this.#slow >= SLOW_ANSWERS) {
        this.#slow = 0;
        this.#awayUntilMs = nowMs + AWAY_MS;
      }
    }
  }
}
