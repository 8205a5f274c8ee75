import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { connectClient } from '../../src/postgres/pool.ts';

afterEach(() => vi.useRealTimers());

test('a server that accepts a connection and says nothing is given up', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const refused = expect(connectClient(`postgresql://u@127.0.0.1:${port}/d`, 'test')).rejects.toMatchObject({
    code: 'DATABASE_UNREACHABLE',
  });
  const [socket] = await once(server, 'connection');
  await vi.advanceTimersByTimeAsync(10_000);
  await refused;
  socket.destroy();
  server.close();
});
