import type { Kind } from '../../arrow/types.ts';
import type { ColumnEncoder } from './column.ts';
import { parsedText, quoted, Unfit } from './parsed.ts';

/** Families as Postgres numbers them, on every platform (`utils/inet.h`). */
const V4 = 2;
const V6 = 3;

interface Address {
  bytes: number[];
  mask: number;
}

/**
 * inet and cidr in binary (`network_send` in `utils/adt/network.c`): family, bits of the netmask, whether it is a
 * cidr, the count of the address's bytes, and the bytes.
 * @param network cidr, whose bits right of the netmask must be zero
 */
export function inetEncoder(kind: Kind, network: boolean): ColumnEncoder | undefined {
  return parsedText(kind, (text) => image(text, network), 'not_an_address');
}

function image(text: string, network: boolean): Uint8Array {
  const address = text.includes(':') ? parseV6(text) : parseV4(text, network);
  const name = network ? 'a network (cidr)' : 'an IP address (inet)';
  if (!address) throw new Unfit(`${quoted(text)} is not ${name}`);
  const { bytes, mask } = address;
  if (mask > bytes.length * 8) {
    throw new Unfit(`the netmask of ${quoted(text)} has more than ${bytes.length * 8} bits`);
  }
  if (network && !isZeroAfter(bytes, mask)) {
    throw new Unfit(`${quoted(text)} has bits set to the right of its netmask`, 'bits_right_of_mask');
  }
  return Uint8Array.of(bytes.length === 4 ? V4 : V6, mask, network ? 1 : 0, bytes.length, ...bytes);
}

/** Parts that are left out at the end are zero, but only where a netmask says how many count. */
function parseV4(text: string, network: boolean): Address | undefined {
  const match = /^(\d+(?:\.\d+){0,3})(?:\/(\d+))?$/.exec(text);
  if (!match) return undefined;
  const parts = match[1]!.split('.').map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  if (match[2] === undefined && parts.length < 4) return undefined;
  const mask = match[2] === undefined ? 32 : Number(match[2]);
  if (!network && mask <= 32 && mask > parts.length * 8) return undefined;
  while (parts.length < 4) parts.push(0);
  return { bytes: parts, mask };
}

const PART = String.raw`(?:0|[1-9]\d{0,2})`;
const V4_TAIL = new RegExp(String.raw`^(.*:)(${PART})\.(${PART})\.(${PART})\.(${PART})$`);

function parseV6(text: string): Address | undefined {
  const match = /^([0-9a-f:.]+)(?:\/(0|[1-9]\d*))?$/i.exec(text);
  const hex = match && withoutV4Tail(match[1]!);
  if (!hex) return undefined;
  const halves = hex.split('::');
  if (halves.length > 2) return undefined;
  const [before = [], after] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const given = before.length + (after?.length ?? 0);
  if (after ? given > 7 : given !== 8) return undefined;
  const groups = after ? [...before, ...new Array<string>(8 - given).fill('0'), ...after] : before;
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const bytes = groups.map((group) => Number.parseInt(group, 16)).flatMap((group) => [group >> 8, group & 255]);
  return { bytes, mask: match[2] === undefined ? 128 : Number(match[2]) };
}

/** The address with its last four bytes in hexadecimal, whichever way they were written. */
function withoutV4Tail(text: string): string | undefined {
  if (!text.includes('.')) return text;
  const match = V4_TAIL.exec(text);
  if (!match) return undefined;
  const [a, b, c, d] = match.slice(2).map(Number) as [number, number, number, number];
  if (Math.max(a, b, c, d) > 255) return undefined;
  return `${match[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

function isZeroAfter(bytes: number[], mask: number): boolean {
  return bytes.every((byte, index) => {
    const kept = Math.min(8, Math.max(0, mask - index * 8));
    return (byte & (0xff >> kept)) === 0;
  });
}
