/** How rows get into a table; docs/write-modes.md tells them apart. */
export const MODES = ['append', 'upsert', 'replace', 'merge'] as const;
export type Mode = (typeof MODES)[number];
