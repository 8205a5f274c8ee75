import { keepYoungSmall } from '../src/base/memory.ts';

keepYoungSmall();
const { main } = await import('../src/cli/main.ts');

process.exitCode = await main(['work']);
