/** How many rejects a partition may have before it fails. */
export interface RejectLimit {
  /** As it was given. */
  text: string;
  /** How many of so many rows. */
  most(rows: number): number;
}

/** @param given a whole number, or a share such as `1%` @returns undefined when it is neither */
export function parseRejectLimit(given: number | string): RejectLimit | undefined {
  const text = String(given);
  const share = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (share) {
    const ratio = Number(share[1]) / 100;
    return { text, most: (rows) => ratio * rows };
  }
  if (!/^\d{1,9}$/.test(text)) return undefined;
  const most = Number(text);
  return { text, most: () => most };
}
