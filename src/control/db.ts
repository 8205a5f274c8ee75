import type { Kysely } from 'kysely';
import type { ControlSchema } from './schema.ts';

/** The control database, or one transaction on it. */
export type ControlDb = Kysely<ControlSchema>;
export type { ControlSchema };
