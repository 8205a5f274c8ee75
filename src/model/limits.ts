/** How many rejects a partition may have before it fails. */
export interface RejectLimit {
  /** As it was given. */
  text: string;
  /** Whether so many of so many rows are too many. */
  exceeded(rejected: number, read: number): boolean;
  /** Whether so many are too many, however many rows are still to come. */
  hopeless(rejected: number): boolean;
}

/** @param given a whole number, or a share such as `1%` @returns undefined when it is neither */
export function parseRejectLimit(given: number | string): RejectLimit | undefined {
  const text = String(given);
  const share = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (share) {
    const ratio = Number(share[1]) / 100;
    return { text, exceeded: (rejected, read) => rejected > ratio * read, hopeless: () => false };
  }
  if (!/^\d{1,9}$/.test(text)) return undefined;
  const most = Number(text);
  return { text, exceeded: (rejected) => rejected > most, hopeless: (rejected) => rejected > most };
}
