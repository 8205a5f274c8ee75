import type pg from 'pg';
import { PgBoss } from 'pg-boss';
import type { Events } from '../base/events.ts';
import { impatient } from '../postgres/pool.ts';

export const QUEUES = {
  partitions: 'drayage-partitions',
  finalize: 'drayage-finalize',
  /** Jobs whose workers died on every attempt. */
  deadLetter: 'drayage-dead-letter',
} as const;

/** A claim without a heartbeat for this long is taken away. pg-boss allows no less than 10. */
const HEARTBEAT_SECONDS = 15;
export const HEARTBEAT_EVERY_MS = 4_000;
/** How often expired claims are looked for. */
const MONITOR_SECONDS = 5;
/** pg-boss's upper bound; what ends a claim here is the missing heartbeat. */
const LONGEST_CLAIM_SECONDS = 86_399;

const COMMON = {
  expireInSeconds: LONGEST_CLAIM_SECONDS,
  heartbeatSeconds: HEARTBEAT_SECONDS,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 60,
  retentionSeconds: 90 * 86_400,
  deleteAfterSeconds: 86_400,
};

export type Boss = PgBoss;

/**
 * @param supervise whether this process watches over expired claims; at least one worker must
 */
export async function startBoss(pool: pg.Pool, events: Events, { supervise }: { supervise: boolean }): Promise<Boss> {
  const asking = impatient(pool);
  const boss = new PgBoss({
    db: { executeSql: (text, values) => asking.query(text, values as unknown[]) },
    supervise,
    superviseIntervalSeconds: MONITOR_SECONDS,
    monitorIntervalSeconds: MONITOR_SECONDS,
    schedule: false,
    migrate: true,
  });
  boss.on('error', (error) => events.emit('queueError', { error }));
  boss.on('warning', () => undefined);
  await boss.start();
  return boss;
}

/** Makes the queues, or brings their settings up to date. */
export async function ensureQueues(boss: Boss): Promise<void> {
  await ensureQueue(boss, QUEUES.deadLetter, { ...COMMON, retryLimit: 100 });
  await ensureQueue(boss, QUEUES.partitions, { ...COMMON, deadLetter: QUEUES.deadLetter });
  await ensureQueue(boss, QUEUES.finalize, { ...COMMON, retryLimit: 10, deadLetter: QUEUES.deadLetter });
}

async function ensureQueue(boss: Boss, name: string, options: Parameters<Boss['updateQueue']>[1]): Promise<void> {
  if (await boss.getQueue(name)) await boss.updateQueue(name, options);
  else await boss.createQueue(name, options as Parameters<Boss['createQueue']>[1]);
}
