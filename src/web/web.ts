import type { Boss } from '../queue/boss.ts';
import type { Services } from '../runs/services.ts';
import type { Guard } from './guard.ts';
import type { Live } from './live.ts';
import type { Memo } from './memo.ts';
import type { Settings } from './settings.ts';
import type { Verifications } from './verifications.ts';

/** What every page and every document is made from. */
export interface Web {
  services: Services;
  settings: Settings;
  guard: Guard;
  live: Live;
  memo: Memo;
  verifications: Verifications;
  /** Aborts when the server stops. */
  stopping: AbortSignal;
  /** Opened when something is done for the first time. */
  queue(): Promise<Boss>;
  /** The database, fit to be shown. */
  database: string;
  version: string;
}
