import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from './problem.ts';
import { Sessions } from './session.ts';
import { proxyList, type Settings } from './settings.ts';

export const COOKIE = 'drayage_session';

/** Who asks, and how that is known. */
export interface Visitor {
  /** As it stands in the events of a run. */
  name: string;
  mayAct: boolean;
  /** What the forms of this visitor carry; null where no form is needed. */
  formToken: string | null;
}

declare module 'fastify' {
  interface FastifyRequest {
    visitor: Visitor | undefined;
  }
  interface FastifyContextConfig {
    /** `public`: for everybody. `act`: changes something. Everything else is for those who may read. */
    access?: 'public' | 'act';
  }
}

/** Decides who a request comes from, and what it may do. */
export class Guard {
  readonly sessions: Sessions;
  readonly #settings: Settings;
  readonly #isProxy: (address: string) => boolean;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.sessions = new Sessions(settings.secret);
    const proxies = proxyList(settings.proxies);
    this.#isProxy = (address) =>
      proxies.check(address.replace(/^::ffff:/, ''), address.includes('.') ? 'ipv4' : 'ipv6');
  }

  /** @throws Problem when it may not */
  readonly check = async (request: FastifyRequest, _reply: FastifyReply): Promise<void> => {
    const access = request.routeOptions.config.access;
    request.visitor = this.#visitorOf(request);
    if (access === 'public') return;
    if (this.#settings.openForReading) assertLocalName(request);
    if (request.visitor === undefined) {
      throw new Problem(
        401,
        'UNAUTHORIZED',
        'This needs to be signed in',
        'Sign in with the token, or send it as "Authorization: Bearer …".',
      );
    }
    if (access === 'act') this.#assertMayAct(request, request.visitor);
  };

  /** Whose requests are counted together: those of a session, so that several people behind one address have room. */
  readonly countedAs = (request: FastifyRequest): string => {
    const cookie = request.cookies[COOKIE];
    return cookie !== undefined && this.sessions.isOpen(cookie) ? cookie : request.ip;
  };

  #visitorOf(request: FastifyRequest): Visitor | undefined {
    const acts = !this.#settings.readOnly;
    const user = this.#proxyUser(request);
    if (user !== undefined) return { name: user, mayAct: acts, formToken: this.sessions.formToken(`user ${user}`) };
    const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer !== undefined && this.sessions.accepts(bearer)) return { name: 'api', mayAct: acts, formToken: null };
    const cookie = request.cookies[COOKIE];
    if (cookie !== undefined && this.sessions.isOpen(cookie)) {
      return { name: 'web', mayAct: acts, formToken: this.sessions.formToken(cookie) };
    }
    return this.#settings.openForReading ? { name: 'visitor', mayAct: false, formToken: null } : undefined;
  }

  #proxyUser(request: FastifyRequest): string | undefined {
    const { userHeader } = this.#settings;
    const user = userHeader === undefined ? undefined : request.headers[userHeader];
    if (typeof user !== 'string' || user === '' || !this.#isProxy(request.socket.remoteAddress ?? '')) return undefined;
    return user.slice(0, 100);
  }

  #assertMayAct(request: FastifyRequest, visitor: Visitor): void {
    if (this.#settings.readOnly)
      throw new Problem(403, 'FORBIDDEN', 'This page only shows: it was started with --read-only');
    if (!visitor.mayAct) {
      throw new Problem(
        401,
        'UNAUTHORIZED',
        'Changing something needs to be signed in',
        'Sign in with the token that "dray serve" has printed, or send it as "Authorization: Bearer …".',
      );
    }
    if (visitor.formToken === null) return;
    const site = request.headers['sec-fetch-site'];
    const given = (request.body as { form_token?: unknown } | null)?.form_token ?? request.headers['x-form-token'];
    const whom = this.#proxyUser(request);
    const isOurs = this.sessions.isFormToken(
      whom === undefined ? request.cookies[COOKIE]! : `user ${whom}`,
      String(given),
    );
    if (isOurs && (site === undefined || site === 'same-origin')) return;
    throw new Problem(
      403,
      'FORBIDDEN',
      'The form is not from this page, or is older than the session',
      'Load the page again, and repeat what you did.',
    );
  }
}

/** A name of a site elsewhere that points here could read along from within a browser. */
function assertLocalName({ hostname }: FastifyRequest): void {
  const name = hostname.replace(/:\d+$/, '');
  if (['localhost', '127.0.0.1', '[::1]', '::1'].includes(name) || name.endsWith('.localhost')) return;
  throw new Problem(
    403,
    'FORBIDDEN',
    `The page is asked for as "${name}"`,
    'Without DRAYAGE_WEB_TOKEN it answers to localhost alone.',
  );
}
