import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { conversationItems } from './conversation-items.ts';
import { LOCAL_ENV, LocalDynamo } from './dynalite.ts';

/**
 * Shows the job conversations from end to end: a local server that speaks DynamoDB, a table with items, a run, the
 * counts of both sides, and two more runs: one that finds nothing to do, and one after a user has written on.
 */
const TABLE = 'conversations';
const USERS = 250;

const tell = (text: string) => console.log(`\n── ${text}`);

const dynamo = await LocalDynamo.start();
try {
  tell(`A local DynamoDB at ${dynamo.endpoint} gets ${USERS} users`);
  await dynamo.createTable(TABLE);
  console.log(`${await dynamo.put(TABLE, conversationItems(USERS))} items`);
  tell('The first run loads them');
  await run('src/cli/bin.js', 'run', 'conversations');
  tell('The counts per user');
  await run('jobs/samples/conversations-counts.ts', '--users', '5');
  tell('The second run finds everything unchanged');
  await run('src/cli/bin.js', 'run', 'conversations');
  tell('A user writes a message of 300 kB; the third run loads the pack that the user is in');
  const keys = { pk: { S: 'USER#user-00001' }, sk: { S: 'MSG#conv-late#1' } };
  await dynamo.put(TABLE, [
    { pk: keys.pk, sk: { S: 'CONV#conv-late' }, title: { S: 'Later' } },
    { ...keys, role: { S: 'user' }, content: { S: 'long '.repeat(60_000) } },
  ]);
  await run('src/cli/bin.js', 'run', 'conversations');
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
} finally {
  await dynamo.close();
}

function run(script: string, ...args: string[]): Promise<void> {
  const env = { ...process.env, ...LOCAL_ENV, DYNAMODB_TABLE_NAME: TABLE, DYNAMODB_ENDPOINT_URL: dynamo.endpoint };
  const file = join(import.meta.dirname, '../..', script);
  const child = spawn(process.execPath, [file, ...args], { env, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${script} ${args.join(' ')} ended with ${code}`));
    });
  });
}
