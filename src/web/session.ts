import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** How long a session lasts. */
export const SESSION_SECONDS = 7 * 86_400;

/**
 * Sessions that need no memory: a random id and an expiry, signed with a key that comes from the token. So they
 * outlive a restart, hold on every process that has the same token, and end when it is changed.
 */
export class Sessions {
  readonly #token: string;
  readonly #key: Buffer;

  constructor(token: string) {
    this.#token = token;
    this.#key = createHmac('sha256', 'drayage web session').update(token).digest();
  }

  /** Whether this is the token; takes as long for every wrong one. */
  accepts(token: string): boolean {
    const digest = (text: string) => createHash('sha256').update(text).digest();
    return timingSafeEqual(digest(token), digest(this.#token));
  }

  /** @returns the value of the cookie */
  open(nowMs = Date.now()): string {
    const expires = Math.floor(nowMs / 1000) + SESSION_SECONDS;
    const content = `${randomBytes(16).toString('base64url')}.${expires}`;
    return `${content}.${this.#sign('session', content)}`;
  }

  /** @returns whether the cookie is one of ours and still good */
  isOpen(cookie: string, nowMs = Date.now()): boolean {
    const at = cookie.lastIndexOf('.');
    const content = cookie.slice(0, at);
    const expires = Number(content.slice(content.indexOf('.') + 1));
    return at > 0 && this.#isSigned('session', content, cookie.slice(at + 1)) && expires * 1000 > nowMs;
  }

  /** What every form of a session carries, so that no other site can send one. @param whom the cookie, or a user */
  formToken(whom: string): string {
    return this.#sign('form', whom);
  }

  isFormToken(whom: string, given: string): boolean {
    return this.#isSigned('form', whom, given);
  }

  #sign(purpose: string, content: string): string {
    return createHmac('sha256', this.#key).update(`${purpose}\0${content}`).digest('base64url');
  }

  #isSigned(purpose: string, content: string, given: string): boolean {
    const [expected, actual] = [Buffer.from(this.#sign(purpose, content)), Buffer.from(given)];
    return expected.length === actual.length && timingSafeEqual(expected, actual);
  }
}
