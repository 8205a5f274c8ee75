import { keepMemoryLow } from '../src/base/memory.ts';

keepMemoryLow(process.env);
if (import.meta.main) {
  const { main } = await import('../src/cli/main.ts');
  process.exitCode = await main(['work']);
}
