import type { ClientBase } from 'pg';

const NAME = 'whole';

/**
 * The savepoint around all that goes into a table. Tiny partitions take longer for what is said about their rows than for
 * the rows, so it is set, and where that can be released, by statements that are sent together with others.
 */
export class Savepoint {
  /** In the place of `release`, behind statements that are sent together. */
  static readonly RELEASE = `release savepoint ${NAME}`;
  readonly #client: ClientBase;
  #set = false;

  constructor(client: ClientBase) {
    this.#client = client;
  }

  /** Whether there is something to go back to. */
  get isSet(): boolean {
    return this.#set;
  }

  /** The statement that sets it, for whoever is about to send it in front of others. */
  setting(): string {
    this.#set = true;
    return `savepoint ${NAME}`;
  }

  async set(): Promise<void> {
    await this.#client.query(this.setting());
  }

  /** It was released by a statement that was sent with others. */
  wasReleased(): void {
    this.#set = false;
  }

  async release(): Promise<void> {
    await this.#client.query(Savepoint.RELEASE);
    this.#set = false;
  }

  async rollBack(): Promise<void> {
    await this.#client.query(`rollback to savepoint ${NAME}`);
  }
}
