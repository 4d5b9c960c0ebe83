import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What stands around an environment in a case: the platform's topics, and a service that functions call. */
export interface StandIn extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly Received[];
}

/** `POST /topics/NAME` is acknowledged at offset 7, but for `missing`, which is a 404; `/status/N` answers N; the rest 200. */
export async function startStandIn(): Promise<StandIn> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      received.push({ method, path, headers, body: Buffer.concat(chunks).toString() });
      const topic = /^\/topics\/(.+)$/.exec(path)?.[1];
      if (topic === 'missing') response.writeHead(404).end('there is no such topic');
      else if (topic) {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ topic, partition: 3, offset: 7, timestamp: 1_790_000_000_000 }));
      } else response.writeHead(Number(/^\/status\/(\d+)$/.exec(path)?.[1] ?? 200)).end('from afar');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
