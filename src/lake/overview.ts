import type { LakeState } from './catalog.ts';

/** A dataset as somebody watches it who pays for its storage. */
export interface DatasetOverview {
  dataset: string;
  files: number;
  rows: number;
  bytes: number;
  smallest_bytes: number;
  /** Files below SMALL_BYTES that lie in a folder with others of them: what compacting would put together. */
  small_files: number;
  /** When something was last published into it, in ISO form. */
  last_published: string;
}

/** Below it, opening a file costs more than reading it. */
export const SMALL_BYTES = 16 * 1024 * 1024;

export function overviewOf({ datasets, manifests }: LakeState): DatasetOverview[] {
  const published = new Map<string, string>();
  for (const manifest of manifests) {
    for (const { dataset } of manifest.files) {
      if (manifest.published > (published.get(dataset) ?? '')) published.set(dataset, manifest.published);
    }
  }
  return [...datasets].map(([dataset, files]) => {
    const small = files.filter(({ bytes }) => bytes < SMALL_BYTES);
    const folders = Map.groupBy(small, ({ path }) => folderOf(path));
    return {
      dataset,
      files: files.length,
      rows: files.reduce((sum, { rows }) => sum + rows, 0),
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      smallest_bytes: Math.min(...files.map(({ bytes }) => bytes)),
      small_files: [...folders.values()].reduce((sum, some) => sum + (some.length > 1 ? some.length : 0), 0),
      last_published: published.get(dataset)!,
    };
  });
}

export const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
