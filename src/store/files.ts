import { LocalFiles } from './local.ts';
import { isS3, type S3Options } from './s3.ts';
import { S3Files } from './s3-files.ts';
import type { FileStore } from './stored.ts';

export interface StoreOptions {
  root: string;
  s3: S3Options;
  followLinks: boolean;
}

/** The store that a path points into. */
export function storeOf(path: string, { root, s3, followLinks }: StoreOptions): FileStore {
  return isS3(path) ? new S3Files(s3) : new LocalFiles(root, followLinks);
}
