import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRouterClient } from './client.ts';
import { startTestRouter } from './test/test-router.ts';

const ECHO = `export default (request, response) => {
  if (request.url === '/never') return;
  request.resume().on('end', () => response.writeHead(201, { 'x-seen': request.headers['x-mine'] ?? '' }).end(request.url));
}`;

test('a call reads the whole answer, whatever its status', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction('echo', ECHO);
  await using client = createRouterClient({ internalUrl: router.internalUrl });
  const answer = await client.invoke('echo', { body: 'x', headers: { 'x-mine': 'yes' }, subpath: 'a?b=c' });
  assert.equal(answer.status, 201);
  assert.equal(answer.headers['x-seen'], 'yes');
  assert.equal(answer.body.toString(), '/a?b=c');
  assert.equal((await client.invoke({ name: 'nobody', namespace: 'default' })).status, 404);
});

test('no answer is a failure: a time-out, a signal, a router that is not there', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction('echo', ECHO);
  await using client = createRouterClient({ internalUrl: router.internalUrl });
  await client.invoke('echo');
  await assert.rejects(client.invoke('echo', { subpath: 'never', timeoutMs: 50 }), {
    reason: 'function_timeout',
  });
  const signal = AbortSignal.timeout(50);
  await assert.rejects(client.invoke('echo', { subpath: 'never', signal }), { reason: 'client_disconnect' });
  await using nowhere = createRouterClient({ internalUrl: 'http://127.0.0.1:1' });
  await assert.rejects(nowhere.invoke('echo'), { reason: 'unavailable' });
});
