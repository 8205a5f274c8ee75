import type { Services } from '../runs/services.ts';
import type { Guard } from './guard.ts';
import type { Live } from './live.ts';
import type { Memo } from './memo.ts';
import type { Settings } from './settings.ts';

/** What every page and every document is made from. */
export interface Web {
  services: Services;
  settings: Settings;
  guard: Guard;
  live: Live;
  memo: Memo;
  /** The database, fit to be shown. */
  database: string;
  version: string;
}
