import { keepMemoryLow } from '../src/base/memory.ts';

keepMemoryLow(process.env);
const { main } = await import('../src/cli/main.ts');

process.exitCode = await main(['work']);
