import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { toFailure } from './failure.ts';
import { listen } from './listen.ts';
import { readBody } from './read-body.ts';

const LIMIT = 64 * 1024;

test('a body within the limit is whole; one past it is refused, and the client hears so', async () => {
  const server = createServer((request, response) => {
    readBody(request, LIMIT, 'queue').then(
      (body) => response.end(String(body.length)),
      (error: unknown) => {
        const failure = toFailure(error, 'queue');
        response.writeHead(failure.status, { connection: 'close' }).end(failure.reason);
      },
    );
  });
  const { url } = await listen(server, { port: 0 }, 'queue');
  try {
    for (const [bytes, status, text] of [
      [0, 200, '0'],
      [LIMIT, 200, String(LIMIT)],
      [LIMIT + 1, 413, 'body_too_large'],
      [16 * 1024 * 1024, 413, 'body_too_large'],
    ] as const) {
      const response = await fetch(url, { method: 'POST', body: Buffer.alloc(bytes) });
      assert.equal(response.status, status, `${bytes} bytes`);
      assert.equal(await response.text(), text);
    }
    const chunked = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 64; i += 1) controller.enqueue(new Uint8Array(LIMIT));
        controller.close();
      },
    });
    const response = await fetch(url, { method: 'POST', body: chunked, duplex: 'half' } as RequestInit);
    assert.equal(response.status, 413, 'without a declared length');
    await response.text();
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
