import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { createRouterClient, type RouterClient } from './client.ts';
import { startTestRouter } from './test/test-router.ts';

const ECHO = `export default (request, response) => {
  if (request.url === '/never') return;
  if (request.url === '/context') return void response.end(request.headers.traceparent + ' ' + request.headers.baggage);
  if (request.url === '/half') return void response.writeHead(200, { 'content-length': 9 }).write('half', () => process.exit(1));
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
    const body = Buffer.concat(chunks);
    if (request.url === '/mirror') return void response.end(body);
    response.writeHead(201, { 'x-seen': request.headers['x-mine'] ?? '', 'set-cookie': ['a=1', 'b=2'] });
    response.end(request.method + ' ' + request.url + ' ' + body.length);
  });
}`;
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

const CLIENTS = {
  'over HTTP': ({ internalUrl }) => createRouterClient({ internalUrl }),
  'within the process': ({ client }) => client,
} satisfies Record<string, (router: Awaited<ReturnType<typeof startTestRouter>>) => RouterClient>;

for (const [where, clientOf] of Object.entries(CLIENTS))
  void describe(`a client of the router, ${where}`, () => {
    void test('a call reads the whole answer, whatever its status', async () => {
      await using router = await startTestRouter();
      router.catalog.putFunction('echo', ECHO);
      await using client = clientOf(router);
      const answer = await client.invoke('echo', {
        body: 'x',
        headers: { 'x-mine': 'yes' },
        subpath: 'a?b=c',
      });
      assert.equal(answer.status, 201);
      assert.equal(answer.headers['x-seen'], 'yes');
      assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
      assert.equal(answer.body.toString(), 'POST /a?b=c 1');
      assert.equal((await client.invoke('echo', { method: 'PUT' })).body.toString(), 'PUT / 0');
      const missing = await client.invoke({ name: 'nobody', namespace: 'default' });
      assert.equal(missing.status, 404);
      assert.equal((JSON.parse(missing.body.toString()) as { reason: string }).reason, 'not_found');
    });

    void test('bodies of any size come through both ways, byte for byte, one call after the other and at once', async () => {
      await using router = await startTestRouter();
      router.catalog.putFunction('echo', ECHO);
      await using client = clientOf(router);
      const bodies = [1, 8 * 1024, 8 * 1024 + 1, 900 * 1024].map((size) => Buffer.alloc(size, 'ÿ\0\r\n'));
      for (const body of bodies)
        assert.deepEqual((await client.invoke('echo', { subpath: 'mirror', body })).body, body);
      const answers = await Promise.all(
        bodies.map((body) => client.invoke('echo', { subpath: 'mirror', body })),
      );
      assert.deepEqual(
        answers.map(({ body }) => body),
        bodies,
      );
    });

    void test("a caller with a span of its own gets none of the router's, and learns of the cold start", async () => {
      await using router = await startTestRouter();
      router.catalog.putFunction('echo', ECHO);
      await using client = clientOf(router);
      const headers = { traceparent: TRACEPARENT, 'X-Spoor-Attempt': '1' };
      const first = await client.invoke('echo', { headers });
      assert.equal(first.headers['x-spoor-coldstart'], 'true');
      assert.ok(first.headers['x-spoor-instance']);
      assert.equal((await client.invoke('echo', { headers })).headers['x-spoor-coldstart'], 'false');
      const own = router.spans().filter((span) => span.resource['service.name'] === 'router');
      assert.deepEqual(own, []);
      assert.ok(router.spans().every((span) => span.traceId === TRACEPARENT.slice(3, 35)));
    });

    void test('no answer is a failure: a time-out, a signal, an instance that dies half way', async () => {
      await using router = await startTestRouter();
      router.catalog.putFunction('echo', ECHO);
      await using client = clientOf(router);
      await client.invoke('echo');
      await assert.rejects(client.invoke('echo', { subpath: 'never', timeoutMs: 50 }), {
        reason: 'function_timeout',
      });
      const signal = AbortSignal.timeout(50);
      await assert.rejects(client.invoke('echo', { subpath: 'never', signal }), {
        reason: 'client_disconnect',
      });
      await assert.rejects(client.invoke('echo', { signal }), { reason: 'client_disconnect' });
      await assert.rejects(client.invoke('echo', { subpath: 'half' }), {
        reason: where === 'over HTTP' ? 'unavailable' : 'instance_died',
      });
      assert.equal((await client.invoke('echo')).status, 201, 'and the next one is served');
    });

    void test('a signal stops every call under way that was given it, and none that is over', async () => {
      await using router = await startTestRouter();
      router.catalog.putFunction('echo', ECHO);
      await using client = clientOf(router);
      const stop = new AbortController();
      const { signal } = stop;
      await Promise.all([1, 2, 3].map(() => client.invoke('echo', { signal })));
      const stopped = [1, 2, 3].map(() =>
        assert.rejects(client.invoke('echo', { subpath: 'never', signal }), { reason: 'client_disconnect' }),
      );
      const other = await client.invoke('echo', { signal: new AbortController().signal });
      assert.equal(other.status, 201);
      stop.abort();
      await Promise.all(stopped);
      assert.equal((await client.invoke('echo')).status, 201);
    });

    void test('a header that could become another line is refused', async () => {
      await using router = await startTestRouter();
      router.catalog.putFunction('echo', ECHO);
      await using client = clientOf(router);
      for (const [name, value] of [
        ['x-mine', 'a\r\nx-forged: b'],
        ['x mine', 'a'],
        ['x-mine', 'a\0'],
      ] as const)
        await assert.rejects(client.invoke('echo', { headers: { [name]: value } }), { name: 'Failure' });
    });
  });

void test('within the process a context goes on as it is, in place of what headers say', async () => {
  await using router = await startTestRouter();
  router.catalog.putFunction('echo', ECHO);
  const remote = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1, isRemote: true };
  const context = propagation.setBaggage(
    trace.setSpanContext(ROOT_CONTEXT, remote),
    propagation.createBaggage({ tenant: { value: 'blue' } }),
  );
  assert.ok(router.client.takesContext);
  const headers = { 'X-Spoor-Attempt': '1', traceparent: TRACEPARENT };
  const answer = await router.client.invoke('echo', { subpath: 'context', headers, context });
  assert.equal(answer.body.toString(), `00-${remote.traceId}-${remote.spanId}-01 tenant=blue`);
  // What the executor did for it stands below it too.
  assert.ok(router.spans().some((span) => span.parentSpanId === remote.spanId));
  assert.ok(router.spans().every((span) => span.traceId === remote.traceId));
});

test('a router that is not there is a failure', async () => {
  await using nowhere = createRouterClient({ internalUrl: 'http://127.0.0.1:1' });
  await assert.rejects(nowhere.invoke('echo'), { reason: 'unavailable' });
});
