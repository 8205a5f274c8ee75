import type { FastifyInstance } from 'fastify';
import { COOKIE } from './guard.ts';
import { isSecure } from './headers.ts';
import { sendPage } from './pages/layout.ts';
import { loginPage } from './pages/login.ts';
import { SESSION_SECONDS } from './session.ts';
import type { Web } from './web.ts';

/** Attempts per minute and address. */
const ATTEMPTS = 10;

/** Turns the token into a session, and ends it. */
export function addSignIn(app: FastifyInstance, web: Web): void {
  const { sessions } = web.guard;
  app.get('/login', { config: { access: 'public' } }, async (request, reply) => {
    const { back } = request.query as { back?: string };
    return sendPage(web, request, reply, loginPage(web, ownPath(back), false));
  });

  const limited = { access: 'public', rateLimit: { max: ATTEMPTS, timeWindow: '1 minute' } } as const;
  app.post('/login', { config: limited }, async (request, reply) => {
    const { token = '', back } = (request.body ?? {}) as { token?: string; back?: string };
    if (!sessions.accepts(token)) {
      return sendPage(web, request, reply.status(401), loginPage(web, ownPath(back), true));
    }
    reply.setCookie(COOKIE, sessions.open(), {
      path: '/',
      httpOnly: true,
      sameSite: 'strict',
      secure: isSecure(request),
      maxAge: SESSION_SECONDS,
    });
    return reply.redirect(ownPath(back), 303);
  });

  app.post('/logout', async (_request, reply) => reply.clearCookie(COOKIE, { path: '/' }).redirect('/', 303));
}

/** A path of this server; anything else becomes the first page. */
function ownPath(path: string | undefined): string {
  return path !== undefined && /^\/(?![/\\])[^\s\\]*$/.test(path) ? path : '/';
}
