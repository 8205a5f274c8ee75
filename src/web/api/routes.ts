import type { FastifyInstance } from 'fastify';
import type { Web } from '../web.ts';
import { ACTING } from './acting.ts';
import { documentOf } from './document.ts';
import { type Asked, PARAMS } from './endpoint.ts';
import { READING } from './endpoints.ts';
import { openapi } from './openapi.ts';

export const ENDPOINTS = [...READING, ...ACTING];

export function addApi(app: FastifyInstance, web: Web): void {
  const document = JSON.stringify(openapi(ENDPOINTS), undefined, 2);
  app.get('/openapi.json', async (_request, reply) => reply.type('application/json; charset=utf-8').send(document));
  for (const { method, path, query = {}, body, status = 200, run } of ENDPOINTS) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name!, PARAMS[name!]]);
    app.route({
      method,
      url: path.replaceAll(/\{(\w+)\}/g, ':$1'),
      config: method === 'POST' ? { access: 'act' } : {},
      schema: {
        params: { type: 'object', properties: Object.fromEntries(inPath) },
        querystring: { type: 'object', properties: query, additionalProperties: false },
        ...(body ? { body: { anyOf: [body, { type: 'null' }] } } : {}),
      },
      handler: async (request, reply) => {
        const answer = await run(web, request as Asked);
        return reply.status(status).type('application/json; charset=utf-8').send(documentOf(answer));
      },
    });
  }
}
