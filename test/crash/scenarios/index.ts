import { changed } from './changed.ts';
import { deploy } from './deploy.ts';
import { finalize } from './finalize.ts';
import { freeze } from './freeze.ts';
import { fullDisk } from './full-disk.ts';
import { kill } from './kill.ts';
import { lake, lakeInS3 } from './lake.ts';
import { network } from './network.ts';
import { outOfMemory } from './out-of-memory.ts';
import { producer } from './producer.ts';
import { restart } from './restart.ts';
import type { Scenario } from './scenario.ts';
import { twice } from './twice.ts';

/** One line per fault. */
export const SCENARIOS: readonly Scenario[] = [
  kill,
  finalize,
  freeze,
  restart,
  network,
  producer,
  changed,
  fullDisk,
  outOfMemory,
  twice,
  deploy,
  lake,
  lakeInS3,
];
