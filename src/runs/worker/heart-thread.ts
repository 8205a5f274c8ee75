import { parentPort, workerData } from 'node:worker_threads';
import { pause } from '../../base/lifecycle.ts';
import { connectClient } from '../../postgres/pool.ts';
import type { FromThread, HeartData, ToThread } from './heart-messages.ts';

/**
 * Runs in a thread of its own, since a transform may keep the main one busy for longer than a claim lasts. It knows
 * nothing of queues and runs: it sends the statements that it is given, and passes on what comes back.
 */
const { url, channel, beatMs, watchMs, stuckMs, mainSeen } = workerData as HeartData;

const stopped = new AbortController();
let orders: ToThread = { beats: [], watch: undefined };
parentPort!.on('message', (message: ToThread | 'stop') => {
  if (message === 'stop') stopped.abort();
  else orders = message;
});

const tell = (message: FromThread) => parentPort!.postMessage(message);

/** A thread that is stuck for good must not keep its claims for ever. */
const mainIsStuck = () => Date.now() - Number(Atomics.load(mainSeen, 0)) > stuckMs;

/** A server that says nothing for so long is gone, or the way to it is. */
const ANSWER_MS = 10_000;

async function serve(): Promise<void> {
  const client = await connectClient(url, 'dray heart');
  const gone = new Promise<never>((_, reject) =>
    client.once('end', () => reject(new Error('the connection was lost'))),
  );
  gone.catch(() => undefined);
  client.on('notification', () => tell({ rung: true }));
  try {
    const ask = (text: string, values: unknown[] = []) => answered(client.query(text, values), gone);
    await ask(`listen ${channel}`);
    let beatenMs = 0;
    while (!stopped.signal.aborted) {
      const { beats, watch } = orders;
      if (performance.now() - beatenMs >= beatMs && !mainIsStuck()) {
        beatenMs = performance.now();
        for (const { text, values } of beats) await ask(text, values);
      }
      if (watch) {
        const { rows } = await ask(watch.text, watch.values);
        tell({ watched: rows, version: watch.version });
      }
      await Promise.race([pause(watchMs, stopped.signal), gone]);
    }
  } finally {
    await Promise.race([client.end().catch(() => undefined), pause(1_000)]);
  }
}

async function answered<Answer>(answer: Promise<Answer>, gone: Promise<never>): Promise<Answer> {
  const waited = new AbortController();
  const silence = pause(ANSWER_MS, waited.signal).then(() => {
    if (!waited.signal.aborted) throw new Error(`no answer within ${ANSWER_MS / 1000} seconds`);
  });
  try {
    return (await Promise.race([answer, gone, silence])) as Answer;
  } finally {
    waited.abort();
  }
}

while (!stopped.signal.aborted) {
  await serve().catch((error: Error) => tell({ trouble: error.message }));
  await pause(watchMs, stopped.signal);
}
parentPort!.close();
