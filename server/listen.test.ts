import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { Failure } from './failure.ts';
import { isLoopback, listen } from './listen.ts';

test('a taken port is a failure that names it and says what to do', async () => {
  const first = createServer();
  const { port } = await listen(first, { port: 0 }, 'router');
  const second = createServer();
  try {
    await assert.rejects(listen(second, { port }, 'router'), (error) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.reason, 'conflict');
      assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}`));
      assert.match(error.message, /another port/);
      return true;
    });
  } finally {
    first.close();
  }
});

test('loopback is a matter of address, not of how a name begins', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
    assert.equal(isLoopback(host), true, host);
  for (const host of ['0.0.0.0', '127.0.0.1.example.org', '10.0.0.1', '::'])
    assert.equal(isLoopback(host), false, host);
});
