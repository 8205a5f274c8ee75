import { randomBytes } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import type { WebConfig } from '../base/config.ts';
import { DrayageError } from '../base/errors.ts';

/** How the pages are reached and by whom; what `readSettings` lets through is safe. */
export interface Settings extends WebConfig {
  /** Signs people in, and signs their sessions; made up when none is configured. */
  readonly secret: string;
  /** Whether everybody who can reach the address may read: only on the loopback, and without a token of one's own. */
  readonly openForReading: boolean;
}

const SHORTEST_TOKEN = 16;
const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

/** @throws CONFIG_INVALID */
export function readSettings(config: WebConfig): Settings {
  const { host, token, userHeader, proxies } = config;
  const loopback = LOOPBACK.includes(host);
  if (token !== undefined && token.length < SHORTEST_TOKEN) {
    throw new DrayageError('CONFIG_INVALID', `DRAYAGE_WEB_TOKEN has ${token.length} characters`, {
      hint: `Use at least ${SHORTEST_TOKEN}, such as what "openssl rand -hex 24" prints.`,
    });
  }
  if (!loopback && token === undefined && userHeader === undefined) {
    throw new DrayageError('CONFIG_INVALID', `The page would be open to everybody who reaches ${host}`, {
      hint: 'Set DRAYAGE_WEB_TOKEN, or DRAYAGE_WEB_USER_HEADER behind a proxy that signs people in, or leave the host at 127.0.0.1.',
    });
  }
  if (userHeader !== undefined && proxies.length === 0) {
    throw new DrayageError('CONFIG_INVALID', `DRAYAGE_WEB_USER_HEADER is ${userHeader}, but no proxy is believed`, {
      hint: 'Name the addresses of the proxy in DRAYAGE_WEB_PROXIES, such as 127.0.0.1 or 10.0.0.0/8.',
    });
  }
  proxyList(proxies);
  return {
    ...config,
    secret: token ?? randomBytes(24).toString('hex'),
    openForReading: loopback && token === undefined && userHeader === undefined,
  };
}

/** @throws CONFIG_INVALID */
export function proxyList(proxies: readonly string[]): BlockList {
  const list = new BlockList();
  for (const proxy of proxies) {
    const [address = '', prefix] = proxy.split('/');
    const version = isIP(address);
    const type = version === 6 ? 'ipv6' : 'ipv4';
    const bits = Number(prefix ?? (version === 6 ? 128 : 32));
    if (version === 0 || !Number.isInteger(bits) || bits < 0 || bits > (version === 6 ? 128 : 32)) {
      throw new DrayageError('CONFIG_INVALID', `DRAYAGE_WEB_PROXIES has "${proxy}", which is no address`, {
        hint: 'Write addresses or networks, such as 127.0.0.1 or 10.0.0.0/8.',
      });
    }
    list.addSubnet(address, bits, type);
  }
  return list;
}
