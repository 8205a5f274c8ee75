import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What DynamoDB answers when it refuses. @param type as its errors are called */
export const refusal = (type: string) => ({
  status: 400,
  body: JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${type}`, message: 'refused by a test' }),
});

/** A server in front of another one that answers some operations itself. */
export async function startProxy(
  target: string,
  answer: (operation: string) => { status: number; body: string } | undefined,
): Promise<{ server: Server; endpoint: string }> {
  const server = createServer(async (request, response) => {
    const own = answer(String(request.headers['x-amz-target']).split('.')[1]!);
    const body = Buffer.concat(await Array.fromAsync(request));
    if (own) {
      response.writeHead(own.status, { 'content-type': 'application/x-amz-json-1.0' }).end(own.body);
      return;
    }
    const { host: _, connection: __, ...headers } = request.headers as Record<string, string>;
    const passed = await fetch(target, { method: 'POST', headers, body });
    response.writeHead(passed.status, { 'content-type': 'application/x-amz-json-1.0' }).end(await passed.text());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
