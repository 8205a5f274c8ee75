import { DrayageError } from '../base/errors.ts';
import type { RejectLimit } from '../model/limits.ts';
import type { KeepRejects, LoadCounts, Reject } from '../model/sink.ts';

/** Keeps the rejects of a partition, as long as they are within the limit. */
export class RejectKeeper {
  readonly #limit: RejectLimit | undefined;
  readonly #write: (rejects: readonly Reject[]) => Promise<void>;
  #first: Reject | undefined;

  constructor(limit: RejectLimit | undefined, write: (rejects: readonly Reject[]) => Promise<void>) {
    this.#limit = limit;
    this.#write = write;
  }

  /** @throws TOO_MANY_REJECTS as soon as it is certain */
  readonly keep: KeepRejects = async (rejects, total) => {
    this.#first ??= rejects[0];
    if (this.#limit?.hopeless(total)) throw this.#tooMany(`${total} rows or more were rejected`, this.#limit);
    await this.#write(rejects);
  };

  /** @throws TOO_MANY_REJECTS */
  assertWithin({ rejected, read }: LoadCounts): void {
    if (!this.#limit?.exceeded(rejected, read)) return;
    throw this.#tooMany(`${rejected} of ${read} rows were rejected`, this.#limit);
  }

  #tooMany(what: string, { text }: RejectLimit): DrayageError {
    const { row, column, message } = this.#first!;
    const first = `${column === null ? '' : `column "${column}": `}${message}`;
    return new DrayageError('TOO_MANY_REJECTS', `${what}, and maxRejects allows ${text}; the first: ${first}`, {
      where: row === null ? {} : { row },
      hint: 'Mend the rows or the transform, or allow more with --max-rejects. Nothing of the partition was loaded.',
    });
  }
}
