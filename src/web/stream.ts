import { PassThrough } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Change } from './live.ts';
import { Problem } from './problem.ts';
import type { Web } from './web.ts';

const MOST_STREAMS = 500;
/** Proxies close what is silent for longer. */
const HEARTBEAT_MS = 15_000;
/** Changes within this time are told together. */
const TOGETHER_MS = 300;

/**
 * Server-sent events that say when a page has something new to show; the page then asks for it. What is told is the
 * topic alone, so that nothing has to be rendered twice, and nothing is lost with a connection.
 */
export function addLive(app: FastifyInstance, { live }: Web): void {
  const schema = { querystring: { type: 'object', properties: { about: { type: 'string', maxLength: 20 } } } };
  app.get('/live', { schema, config: { rateLimit: false } }, async (request, reply) => {
    if (live.listeners >= MOST_STREAMS) throw new Problem(503, 'TOO_MANY_STREAMS', 'Too many pages are open');
    const { about = 'runs' } = request.query as { about?: string };
    const stream = new PassThrough();
    let waiting: NodeJS.Timeout | undefined;
    const end = live.subscribe((change) => {
      if (!isAbout(about, change)) return;
      waiting ??= setTimeout(() => {
        waiting = undefined;
        stream.write('event: change\ndata:\n\n');
      }, TOGETHER_MS);
    });
    const heartbeat = setInterval(() => stream.write(':\n\n'), HEARTBEAT_MS);
    stream.on('close', () => {
      end();
      clearInterval(heartbeat);
      clearTimeout(waiting);
    });
    stream.write('retry: 1000\nevent: ready\ndata:\n\n');
    return reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream);
  });
}

function isAbout(about: string, change: Change): boolean {
  if (about === 'workers') return true;
  return about === 'runs' ? change !== null : change === Number(about);
}
