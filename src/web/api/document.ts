import { maskStrings } from '../../base/secrets.ts';

/** JSON text of an answer, without the secrets that texts in it may hold. */
export function documentOf(answer: unknown): string {
  return JSON.stringify(answer, maskStrings);
}
