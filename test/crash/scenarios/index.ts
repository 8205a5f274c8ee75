import { finalize } from './finalize.ts';
import { freeze } from './freeze.ts';
import { kill } from './kill.ts';
import { network } from './network.ts';
import { restart } from './restart.ts';
import type { Scenario } from './scenario.ts';

/** One line per fault. */
export const SCENARIOS: readonly Scenario[] = [kill, finalize, freeze, restart, network];
