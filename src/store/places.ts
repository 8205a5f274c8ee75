import { LocalPlace } from './local-place.ts';
import type { Place } from './place.ts';
import { isS3, type S3Options } from './s3.ts';
import { S3Place } from './s3-place.ts';

/** @param root a folder, relative to the project's, or `s3://bucket/prefix` @throws SOURCE_INVALID */
export function placeOf(root: string, project: string, s3: S3Options): Place {
  return isS3(root) ? new S3Place(root, s3) : new LocalPlace(root, project);
}
