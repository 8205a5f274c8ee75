import type { Verb } from '../verb.ts';
import { complete } from './complete.ts';
import { completion } from './completion.ts';
import { copy } from './copy.ts';
import { db } from './db.ts';
import { doctor } from './doctor.ts';
import { enqueue } from './enqueue.ts';
import { exportVerb } from './export.ts';
import { init } from './init.ts';
import { jobs } from './jobs.ts';
import { lake } from './lake.ts';
import { metrics } from './metrics.ts';
import { plan } from './plan.ts';
import { query } from './query.ts';
import { rejects } from './rejects.ts';
import { run } from './run.ts';
import { serve } from './serve.ts';
import { status } from './status.ts';
import { cancel, pause, resume, retry, set } from './steer.ts';
import { verify } from './verify.ts';
import { work } from './work.ts';

/** One line per verb, in the order of the help. */
export const VERBS: readonly Verb[] = [
  init,
  jobs,
  plan,
  run,
  copy,
  enqueue,
  work,
  status,
  pause,
  resume,
  cancel,
  retry,
  set,
  rejects,
  exportVerb,
  query,
  lake,
  verify,
  serve,
  metrics,
  db,
  doctor,
  completion,
  complete,
];
