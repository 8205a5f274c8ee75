import { fork } from 'node:child_process';
import { once } from 'node:events';
import { openSetting, sample } from './setting.ts';

const USERS = 1000;
const TABLES = 'messages, conversations';
const ENV = { AWS_REGION: 'eu-west-2', AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' };

/** Items a second with one worker and with four, from a local server, of which one thread does all the work. */
export async function dynamo(): Promise<void> {
  Object.assign(process.env, ENV);
  const server = fork(sample('dynamo-server.ts'), ['bench', String(USERS)]);
  const [{ endpoint, items }] = await once(server, 'message');
  const busySeconds = async () => {
    server.send('how much?');
    const [{ user, system }] = await once(server, 'message');
    return (user + system) / 1e6;
  };
  const setting = await openSetting('repository');
  const params = { table: 'bench', endpoint, usersPerPartition: '25' };
  for (const count of [1, 4]) {
    await setting.pool.query(`drop table if exists ${TABLES} cascade`);
    const workers = await Promise.all(Array.from({ length: count }, () => setting.startWorker()));
    const before = await busySeconds();
    const seconds = await setting.loadWithAll('conversations', params);
    const share = Math.round(((await busySeconds()) - before) * 100) / seconds;
    const rate = Math.round(items / seconds);
    console.log(
      `DynamoDB, ${count} workers: ${rate} items/s of ${items}; the server was busy for ${share.toFixed(0)} %`,
    );
    for (const worker of workers) await worker.stop();
  }
  await setting.pool.query(`drop table if exists ${TABLES} cascade`);
  await setting.close();
  server.disconnect();
}
