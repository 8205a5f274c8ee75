import { DrayageError } from '../base/errors.ts';
import type { LakeFile } from '../model/manifest.ts';
import type { LakeState } from './catalog.ts';

const AGE = /^(\d{1,5})\s*(d|days?|w|weeks?|m|months?|y|years?)$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/**
 * The first day that is kept.
 * @param text an age such as `90d`, `12w`, `18m`, `7y`, or the day itself
 * @throws USAGE
 */
export function cutoffOf(text: string, now: Date): string {
  const day = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()));
  const [, count, unit = ''] = AGE.exec(text.trim().toLowerCase()) ?? [];
  if (count !== undefined) {
    const ago = Number(count);
    if (unit.startsWith('d')) day.setUTCDate(day.getUTCDate() - ago);
    else if (unit.startsWith('w')) day.setUTCDate(day.getUTCDate() - 7 * ago);
    else setMonthsBack(day, unit.startsWith('m') ? ago : 12 * ago);
    if (day.getUTCFullYear() >= 1) return day.toISOString().slice(0, 10);
  } else if (DAY.test(text) && new Date(text).toJSON()?.slice(0, 10) === text) return text;
  throw new DrayageError('USAGE', `--older-than is "${text}"`, {
    hint: 'Give an age such as 90d, 12w, 18m or 7y, or the first day that is kept, such as 2026-01-01.',
  });
}

/** To the last day of a month that is shorter. */
function setMonthsBack(day: Date, months: number): void {
  const date = day.getUTCDate();
  day.setUTCDate(1);
  day.setUTCMonth(day.getUTCMonth() - months);
  const last = new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 0)).getUTCDate();
  day.setUTCDate(Math.min(date, last));
}

export interface Expiry {
  /** Files all of whose rows are of days before the cutoff. */
  expired: LakeFile[];
  /** Files whose folders name no date: they are never old. */
  undated: number;
}

/** @param dataset only of this one */
export function expiredFiles({ files }: LakeState, cutoff: string, dataset?: string): Expiry {
  const looked = files.filter((file) => dataset === undefined || file.dataset === dataset);
  const dated = looked.map((file) => ({ file, last: lastDayOf(file.path) }));
  return {
    expired: dated.flatMap(({ file, last }) => (last !== undefined && last < cutoff ? [file] : [])),
    undated: dated.filter(({ last }) => last === undefined).length,
  };
}

/** The last day that a file in such folders can hold rows of: of a year's folder, its last. */
function lastDayOf(path: string): string | undefined {
  const part = (key: string) => new RegExp(`/${key}=(\\d+)/`).exec(path)?.[1];
  const [year, month, day] = [part('year'), part('month'), part('day')];
  if (year === undefined) return undefined;
  const pad = (number: string | number) => String(number).padStart(2, '0');
  const last = day ?? new Date(Date.UTC(2000 + (Number(year) % 400), Number(month ?? 12), 0)).getUTCDate();
  return `${year.padStart(4, '0')}-${pad(month ?? 12)}-${pad(last)}`;
}
