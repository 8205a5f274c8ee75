import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net';

/** A moment in what a client says to the server. */
export interface Moment {
  /** Texts that one connection has to say one after the other; the last one makes the moment. */
  texts: readonly string[];
  /** `request`: the last text does not reach the server. `answer`: it does, and what the server says to it is kept back. */
  hold: 'request' | 'answer';
  /** How many such moments are let pass before. */
  skip?: number;
}

interface Watch extends Moment {
  left: number;
  reached: () => void;
  tooLate: NodeJS.Timeout;
}

/** How many bytes of the last piece are looked at once more with the next one, since a text may be cut in two. */
const OVERLAP = 128;
/** How long a moment is waited for. */
const PATIENCE_MS = 60_000;

/** One connection through the relay. */
class Link {
  readonly client: Socket;
  readonly server: Socket;
  readonly #watches: Set<Watch>;
  readonly #progress = new Map<Watch, number>();
  #tail = Buffer.alloc(0);
  #held: Watch | undefined;
  /** What has come from either side since. */
  readonly #kept: { for: Socket; piece: Buffer }[] = [];

  constructor(client: Socket, server: Socket, watches: Set<Watch>) {
    this.client = client;
    this.server = server;
    this.#watches = watches;
    client.on('data', (piece) => this.#fromClient(piece));
    server.on('data', (piece) => this.#fromServer(piece));
    client.on('drain', () => server.resume());
    server.on('drain', () => client.resume());
    client.on('close', () => server.destroy()).on('error', () => undefined);
    server.on('close', () => client.destroy()).on('error', () => undefined);
  }

  #fromClient(piece: Buffer): void {
    if (this.#held?.hold === 'request') {
      this.#kept.push({ for: this.server, piece });
      return;
    }
    const reached = this.#watches.size > 0 ? this.#look(piece) : undefined;
    if (reached) {
      this.#held = reached;
      this.#watches.delete(reached);
      clearTimeout(reached.tooLate);
      if (reached.hold === 'request') {
        this.#kept.push({ for: this.server, piece });
        reached.reached();
        return;
      }
    }
    if (!this.server.write(piece)) this.client.pause();
  }

  #fromServer(piece: Buffer): void {
    if (!this.#held) {
      if (!this.client.write(piece)) this.server.pause();
      return;
    }
    // Whatever comes after the request is its answer: the protocol is one of turns where it matters here.
    this.#kept.push({ for: this.client, piece });
    this.#held.reached();
  }

  /** What was held back goes on its way. */
  release(): void {
    this.#held = undefined;
    for (const kept of this.#kept.splice(0)) kept.for.write(kept.piece);
  }

  #look(piece: Buffer): Watch | undefined {
    const seen = Buffer.concat([this.#tail, piece]);
    this.#tail = Buffer.from(seen.subarray(Math.max(0, seen.length - OVERLAP)));
    for (const watch of this.#watches) {
      let step = this.#progress.get(watch) ?? 0;
      let at = 0;
      for (; step < watch.texts.length; step++) {
        const found = seen.indexOf(watch.texts[step]!, at, 'latin1');
        if (found === -1) break;
        at = found + watch.texts[step]!.length;
      }
      // What was found is not found again in the overlap.
      if (at > 0) this.#tail = Buffer.from(this.#tail.subarray(Math.max(0, this.#tail.length - (seen.length - at))));
      this.#progress.set(watch, step % watch.texts.length);
      if (step === watch.texts.length && watch.left-- === 0) return watch;
    }
    return undefined;
  }
}

/** Stands between one process and Postgres, and does to its connections what networks do. */
export class Relay {
  readonly #listener: Server;
  readonly #target: () => number;
  readonly #links = new Set<Link>();
  readonly #watches = new Set<Watch>();
  #frozen = false;

  private constructor(target: () => number) {
    this.#target = target;
    this.#listener = createServer({ pauseOnConnect: true }, (client) => this.#accept(client));
  }

  /** @param target the server's port, asked for with every connection */
  static async open(target: () => number): Promise<Relay> {
    const relay = new Relay(target);
    relay.#listener.listen(0, '127.0.0.1');
    await once(relay.#listener, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  /**
   * Resolves when a connection has come to the moment; that connection then says and hears nothing more before it is released.
   * @throws when that takes too long
   */
  reach(moment: Moment): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const tooLate = setTimeout(() => reject(new Error(`Nobody came to ${moment.texts.join(' … ')}`)), PATIENCE_MS);
    this.#watches.add({ ...moment, left: moment.skip ?? 0, reached: resolve, tooLate });
    return promise;
  }

  /** No moment is waited for any more. */
  forget(): void {
    for (const { tooLate } of this.#watches) clearTimeout(tooLate);
    this.#watches.clear();
  }

  /** What was held back at a moment goes on its way. */
  release(): void {
    for (const link of this.#links) link.release();
  }

  /** Cuts all connections; both ends hear of it. */
  cut(): void {
    for (const { client, server } of this.#links) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** One end of every connection is gone, and the other one is never told. */
  halfOpen(gone: 'client' | 'server'): void {
    for (const link of this.#links) {
      const [end, other] = gone === 'client' ? [link.client, link.server] : [link.server, link.client];
      end.removeAllListeners('close');
      end.resetAndDestroy();
      other.removeAllListeners('data').resume();
    }
  }

  /** From here on nothing passes, in either direction, nor do new connections get through. */
  freeze(): void {
    this.#frozen = true;
    for (const { client, server } of this.#links) {
      client.pause();
      server.pause();
    }
  }

  thaw(): void {
    this.#frozen = false;
    for (const { client, server } of this.#links) {
      client.resume();
      server.resume();
    }
  }

  async close(): Promise<void> {
    this.forget();
    for (const { client, server } of this.#links) {
      client.destroy();
      server.destroy();
    }
    this.#listener.close();
    await once(this.#listener, 'close');
  }

  #accept(client: Socket): void {
    const server = dial({ host: '127.0.0.1', port: this.#target(), noDelay: true });
    client.setNoDelay();
    const link = new Link(client, server, this.#watches);
    this.#links.add(link);
    const forget = () => {
      if (client.destroyed && server.destroyed) this.#links.delete(link);
    };
    client.on('close', forget);
    server.on('close', forget);
    if (this.#frozen) {
      client.pause();
      server.pause();
    } else client.resume();
  }
}
