import pino from 'pino';
import pretty from 'pino-pretty';
import type { LogLevel } from './config.ts';
import { explain } from './errors.ts';
import type { Events } from './events.ts';
import { maskLine } from './secrets.ts';

export type Log = pino.Logger;

/** JSON lines on standard error, pretty on a terminal. Standard output belongs to the answer of the command. */
export function createLog(level: LogLevel): Log {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    hooks: { streamWrite: maskLine },
  };
  if (process.stderr.isTTY) return pino(options, pretty({ destination: 2, sync: true, ignore: 'pid,hostname' }));
  return pino(options, pino.destination({ dest: 2, sync: true }));
}

/** One line per attempt and per change of state. */
export function logEvents(events: Events, log: Log): void {
  events.on('attemptStarted', (attempt) => log.debug(attempt, 'partition started'));
  events.on('attemptDone', (attempt) => log.info(attempt, 'partition done'));
  events.on('attemptSkipped', (attempt) => log.info(attempt, 'partition skipped'));
  events.on('attemptReleased', (attempt) => log.info(attempt, 'partition released'));
  events.on('attemptFailed', ({ error, ...attempt }) => {
    const fields = { ...attempt, code: error.code, error: explain(error) };
    if (attempt.retrying) log.warn(fields, 'partition failed, will be tried again');
    else log.error(fields, 'partition failed');
  });
  events.on('partitionLost', (lost) => log.error(lost, 'partition given up: its workers died on every attempt'));
  events.on('runPaused', (run) => log.error(run, 'run paused: too many of its first partitions failed'));
  events.on('runFinished', (run) => log.info(run, 'run finished'));
  events.on('workerStarted', (worker) => log.info(worker, 'worker started'));
  events.on('workerStopping', (worker) => log.info(worker, 'worker stopping'));
  events.on('workerHeldBack', (held) => {
    if (held.reason === null) log.info({ worker: held.worker }, 'worker goes on');
    else log.warn(held, 'worker waits');
  });
  events.on('queueError', ({ error }) => log.warn({ error: explain(error) }, 'queue error'));
  events.on('scriptWarned', (warned) => log.warn(warned, 'a script of a table warns'));
  events.on('embeddedStarted', (embedded) => log.info(embedded, 'embedded Postgres started'));
}
