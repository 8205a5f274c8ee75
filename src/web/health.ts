import type { FastifyInstance } from 'fastify';
import { explain } from '../base/errors.ts';
import { renderMetrics } from '../runs/metrics.ts';
import { pendingSchema } from '../runs/services.ts';
import type { Web } from './web.ts';

/** For load balancers: whether the process is alive, and whether it can answer. For Prometheus, who signs in: the metrics. */
export function addHealth(app: FastifyInstance, { services }: Web): void {
  const config = { access: 'public', rateLimit: false } as const;
  app.get('/healthz', { config }, async () => ({ ok: true }));
  app.get('/readyz', { config }, async (request, reply) => {
    try {
      const pending = await pendingSchema(services);
      if (pending.length === 0) return { ok: true };
      return reply.status(503).send({ ok: false, reason: 'The control schema is not up to date: run "dray db up".' });
    } catch (error) {
      request.log.warn({ error: explain(error) }, 'not ready');
      return reply.status(503).send({ ok: false, reason: 'The database cannot be reached.' });
    }
  });
  app.get('/metrics', async (_request, reply) => {
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await renderMetrics(services));
  });
}
