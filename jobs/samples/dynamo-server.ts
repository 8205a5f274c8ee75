import { conversationItems } from './conversation-items.ts';
import { LocalDynamo } from './dynalite.ts';

/**
 * A local DynamoDB with a table of so many users, as a process of its own. Tells its parent where it is, and on every
 * message how much of the processor it has taken so far.
 */
const [table, users] = process.argv.slice(2);
const server = await LocalDynamo.start();
await server.createTable(table!);
const items = await server.put(table!, conversationItems(Number(users)));
process.on('message', () => process.send?.(process.cpuUsage()));
process.on('disconnect', () => void server.close());
process.send?.({ endpoint: server.endpoint, items });
