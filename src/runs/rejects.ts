import { DrayageError } from '../base/errors.ts';
import type { RejectLimit } from '../model/limits.ts';
import type { KeepRejects, LoadCounts, Reject } from '../model/sink.ts';

/** Rejects that are told when there are too many. */
const TOLD = 3;
/** Characters of what is said about each: Postgres quotes a whole row, of whatever width. */
const TOLD_CHARACTERS = 300;

/** Keeps the rejects of a partition, as long as they are within the limit. */
export class RejectKeeper {
  /** @throws TOO_MANY_REJECTS as soon as it is certain */
  readonly keep: KeepRejects;
  readonly #limit: RejectLimit | undefined;
  /** The first ones; what is read once more is rejected once more. */
  readonly #first = new Map<string, Reject>();

  /** @param rows that will be read, if that is known */
  constructor(
    limit: RejectLimit | undefined,
    rows: number | undefined,
    write: (rejects: readonly Reject[]) => Promise<void>,
  ) {
    this.#limit = limit;
    const most = limit?.most(rows ?? Number.POSITIVE_INFINITY) ?? Number.POSITIVE_INFINITY;
    const keep = async (rejects: readonly Reject[], total: number) => {
      for (const reject of rejects) {
        if (this.#first.size === TOLD) break;
        this.#first.set(toldAs(reject), reject);
      }
      if (total > most) throw this.#tooMany(`${total} rows or more were rejected`);
      await write(rejects);
    };
    this.keep = Object.assign(keep, { most });
  }

  /** @throws TOO_MANY_REJECTS */
  assertWithin({ rejected, read }: LoadCounts): void {
    if (this.#limit && rejected > this.#limit.most(read)) {
      throw this.#tooMany(`${rejected} of ${read} rows were rejected`);
    }
  }

  #tooMany(what: string): DrayageError {
    const [first] = this.#first.values();
    const told = [...this.#first.keys()].join('; ');
    return new DrayageError(
      'TOO_MANY_REJECTS',
      `${what}, and maxRejects allows ${this.#limit!.text}; the first: ${told}`,
      {
        where: { ...(first?.table ? { table: first.table } : {}), ...(first?.row ? { row: first.row } : {}) },
        hint: 'Mend the rows or the transform, or allow more with --max-rejects. Nothing of the partition was loaded.',
      },
    );
  }
}

function toldAs({ row, column, message }: Reject): string {
  const said = message.length > TOLD_CHARACTERS ? `${message.slice(0, TOLD_CHARACTERS)}…` : message;
  return [row === null ? [] : `row ${row}`, column === null ? [] : `column "${column}"`, said].flat().join(': ');
}
