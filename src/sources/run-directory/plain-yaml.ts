import { exactNumber } from '../../base/json.ts';

const MEMBER = /^([A-Za-z_][\w-]*):[ ]+(\S.*)$/;
const LIST = /^\[(.*)\]$/;
/** Letters, digits and what means nothing in YAML, neither in a line of its own nor in a list. */
const WORDS = /^\p{L}(?:[\p{L}\p{N}_.()/ -]*[\p{L}\p{N}_.()/-])?$/u;
const QUOTED = /^"([\p{L}\p{N}\p{P}\p{S} ]*)"$/u;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/;
/** Words that are no text: https://yaml.org/spec/1.2.2/#103-core-schema */
const MEANT = /^(?:null|true|false)$/i;

/**
 * A mapping of names to words, numbers, texts in quotes and lists of these, each on a line, which is what most front
 * matter is: the whole of YAML takes twenty times as long.
 * @returns undefined for everything else, and wherever there is any doubt
 */
export function plainYaml(text: string): Record<string, unknown> | undefined {
  const found: Record<string, unknown> = {};
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const [, name, rest] = MEMBER.exec(line.endsWith('\r') ? line.slice(0, -1) : line) ?? [];
    if (name === undefined || name in found || MEANT.test(name)) return undefined;
    const list = LIST.exec(rest!)?.[1];
    const value =
      list === undefined ? scalar(rest!) : list.split(',').map((one) => scalar(one.replace(/^ +| +$/g, '')));
    if (value === undefined || (Array.isArray(value) && value.includes(undefined))) return undefined;
    found[name] = value;
  }
  return found;
}

function scalar(text: string): unknown {
  if (NUMBER.test(text)) return exactNumber(text);
  const quoted = QUOTED.exec(text)?.[1];
  if (quoted !== undefined) return /["\\]/.test(quoted) ? undefined : quoted;
  return WORDS.test(text) && !MEANT.test(text) ? text : undefined;
}
