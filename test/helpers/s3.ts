import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startFauxqs } from 'fauxqs';

/** Credentials and region as a user's environment would have them. */
export const S3_ENV = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_REGION: 'eu-west-2',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
};

/** What is done with a request before the server sees it. */
export type Interference = 'forbid' | { breakAfterBytes: number } | undefined;

type Interferer = (request: { method: string; url: string }) => Interference | Promise<Interference>;

export interface S3Server {
  endpoint: string;
  /** Environment of processes that use it. */
  env: NodeJS.ProcessEnv;
  /** GET requests that were answered, and the bytes of their bodies. */
  traffic: { requests: number; bytes: number };
  /** Told of every request, which waits for it; what it returns happens to it. */
  interfere(by: Interferer | undefined): void;
  stop(): Promise<void>;
}

/**
 * An S3 server in this process, behind a proxy that counts bytes, and that refuses or breaks off what a test wants to
 * see refused or broken off.
 */
export async function startS3(...buckets: string[]): Promise<S3Server> {
  const server = await startFauxqs({ port: 0, logger: false });
  for (const bucket of buckets) server.createBucket(bucket);
  const traffic = { requests: 0, bytes: 0 };
  let by: Interferer | undefined;

  const proxy = createServer(async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { method = '', url = '', headers } = incoming;
    const wanted = await by?.({ method, url });
    if (wanted === 'forbid') {
      const body = '<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>';
      // Who is still sending might see the end of the connection before the answer.
      incoming.resume().on('end', () => {
        outgoing.writeHead(403, { 'content-type': 'application/xml' }).end(method === 'HEAD' ? undefined : body);
      });
      return;
    }
    const onward = request({ port: server.port, host: '127.0.0.1', method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      let sent = 0;
      if (method === 'GET') traffic.requests++;
      answer.on('data', (piece: Buffer) => {
        if (method === 'GET') traffic.bytes += piece.length;
        sent += piece.length;
        if (wanted && sent > wanted.breakAfterBytes) {
          outgoing.write(piece.subarray(0, piece.length - (sent - wanted.breakAfterBytes)), () => outgoing.destroy());
          answer.destroy();
        } else if (!outgoing.write(piece)) {
          answer.pause();
          outgoing.once('drain', () => answer.resume());
        }
      });
      answer.on('end', () => outgoing.end());
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  return {
    endpoint,
    env: { ...S3_ENV, AWS_ENDPOINT_URL_S3: endpoint },
    traffic,
    interfere: (next) => {
      by = next;
    },
    async stop() {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await server.stop();
    },
  };
}
