import { DrayageError } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import type { PartitionPlan } from '../model/source.ts';
import type { FoundFile } from './format.ts';

type Spec = PartitionPlan['spec'];

/** What a partition remembers of its file. */
export function pinsOf({ path, size, version }: FoundFile): Spec {
  return { path, size, version };
}

/** The file as it was planned. */
export function pinned(file: FoundFile, { size, version }: Spec): FoundFile {
  return { ...file, size: Number(size), version: String(version) };
}

/** Tells the content of a file from any other that it had or may have. */
export function fileFingerprint({ path, size, version }: FoundFile, ...more: string[]): string {
  return digest(path, String(size), version, ...more);
}

/**
 * Holds a file against what was pinned when the partition was planned. A store that pins does so with every read.
 * @throws SOURCE_CHANGED
 */
export async function assertSame(file: FoundFile): Promise<void> {
  if (file.store.pins) return;
  const now = await file.store.look(file.path).catch(() => undefined);
  if (now?.size === file.size && now.version === file.version) return;
  throw new DrayageError('SOURCE_CHANGED', `The source changed after it was planned`, {
    where: { file: file.path },
    hint: 'Enqueue the job again: what is loaded already is left alone, and the new content is planned.',
  });
}
