/**
 * Run when the project is built: loads what a worker loads, so that its compiled form lies in the folder that
 * NODE_COMPILE_CACHE names. A worker that finds it there starts in half the time, and takes 30 MB less, since nothing has to
 * be freed of its types any more.
 */
import { widenYoung } from '../src/base/memory.ts';
import './worker.ts';

const { createEvents } = await import('../src/base/events.ts');
const { main } = await import('../src/cli/main.ts');
const { Heart } = await import('../src/runs/worker/heart.ts');
await import('../src/base/log.ts');
await import('../src/cli/verbs/work.ts');
await import('../src/runs/worker/work.ts');
// The folder is another one for other settings of V8, which a thread has from the worker that begins it.
widenYoung();
const nobody = { rung: () => undefined, watched: () => undefined };
// It ends before it finds that there is no such database.
await new Heart('postgresql://127.0.0.1:1/none', createEvents(), nobody).stop();
process.exitCode = await main(['jobs']);
