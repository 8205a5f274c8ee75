import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import cookie from '@fastify/cookie';
import rateLimit from '@fastify/rate-limit';
import serveStatic from '@fastify/static';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { documentOf } from './api/document.ts';
import { addApi } from './api/routes.ts';
import { setHeaders } from './headers.ts';
import { addHealth } from './health.ts';
import { addForms } from './pages/act.ts';
import { sendPage } from './pages/layout.ts';
import { problemPage } from './pages/login.ts';
import { addPages } from './pages/routes.ts';
import { Problem, problemOf } from './problem.ts';
import { addSignIn } from './sign-in.ts';
import { addLive } from './stream.ts';
import type { Web } from './web.ts';

/** Requests per minute and session, or address where there is none; a page takes about five, and one a second while it is live. */
const REQUESTS_PER_MINUTE = 900;
const LARGEST_BODY_BYTES = 64 * 1024;

/** The server with all its routes, not listening yet. */
export async function createServer(web: Web, log: FastifyBaseLogger): Promise<FastifyInstance> {
  const { proxies } = web.settings;
  const app = fastify({
    loggerInstance: log,
    trustProxy: proxies.length > 0 ? [...proxies] : false,
    bodyLimit: LARGEST_BODY_BYTES,
    forceCloseConnections: true,
    logController: new LogController({ disableRequestLogging: true }),
    routerOptions: { ignoreTrailingSlash: true },
    ajv: { customOptions: { coerceTypes: true, removeAdditional: false } },
  });
  app.decorateRequest('visitor', undefined);
  app.addHook('onSend', setHeaders);
  app.addHook('onResponse', logAnswer);
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_: unknown, body: string) => Object.fromEntries(new URLSearchParams(body)),
  );
  app.setErrorHandler((error, request, reply) => answerProblem(web, request, reply, error));
  app.setNotFoundHandler((request, reply) => {
    return answerProblem(web, request, reply, new Problem(404, 'NOT_FOUND', 'There is no such page'));
  });
  await app.register(cookie);
  await app.register(rateLimit, {
    max: REQUESTS_PER_MINUTE,
    timeWindow: '1 minute',
    keyGenerator: web.guard.countedAs,
  });
  app.addHook('preHandler', web.guard.check);
  await addAssets(app);
  addHealth(app, web);
  addSignIn(app, web);
  addPages(app, web);
  addForms(app, web);
  addLive(app, web);
  await app.register(async (api) => addApi(api, web), { prefix: '/api/v1' });
  return app;
}

/** Style, scripts and the chart library; the same for everybody, and no secret. */
async function addAssets(app: FastifyInstance): Promise<void> {
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot/dist/uPlot.min.css'));
  const shared = { decorateReply: false, index: false as const, cacheControl: false };
  const setCaching = (reply: FastifyReply) => {
    reply.header('cache-control', 'public, no-cache');
  };
  await app.register(async (assets) => {
    assets.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: 'public' };
    });
    await assets.register(serveStatic, {
      ...shared,
      setHeaders: setCaching,
      root: join(import.meta.dirname, 'assets'),
      prefix: '/assets/',
    });
    const wanted = ['/uPlot.iife.min.js', '/uPlot.min.css'];
    await assets.register(serveStatic, {
      ...shared,
      setHeaders: setCaching,
      root: uplot,
      prefix: '/assets/uplot/',
      allowedPath: (path) => wanted.includes(path),
    });
  });
}

/** A document for programs, a page for people; one who is not signed in is led to where that is done. */
function answerProblem(web: Web, request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
  const problem = problemOf(error);
  if (problem.status >= 500) request.log.error({ err: error, url: request.url }, 'request failed');
  reply.status(problem.status);
  if (request.url.startsWith('/api/') || !request.headers.accept?.includes('text/html')) {
    const { code, message, hint = null } = problem;
    return reply.type('application/json; charset=utf-8').send(documentOf({ error: { code, message, hint } }));
  }
  if (problem.status === 401) {
    const back = request.method === 'GET' ? request.url : '/';
    return reply.redirect(`/login?back=${encodeURIComponent(back)}`, 303);
  }
  return sendPage(web, request, reply, problemPage(problem, request));
}

async function logAnswer(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { method, url, visitor } = request;
  const line = { method, url, status: reply.statusCode, ms: Math.round(reply.elapsedTime), by: visitor?.name };
  if (reply.statusCode >= 500) request.log.error(line, 'request');
  else if (method !== 'GET') request.log.info(line, 'request');
  else request.log.debug(line, 'request');
}
