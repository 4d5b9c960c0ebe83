import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { triggerOf } from '../executor/test/memory-catalog.ts';
import { until } from '../executor/test/test-executor.ts';
import { AsyncStore } from './async-store.ts';
import type { InternalHandler } from './router.ts';
import { startTestRouter } from './test/test-router.ts';

/** Writes down what it was asked, one line each; answers with the statuses of `?codes=`, one after the other. */
const noting = (file: string) => `import { appendFileSync } from 'node:fs';
let calls = 0;
export default (request, response) => {
  let body = '';
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    appendFileSync(${JSON.stringify(file)}, JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }) + '\\n');
    const codes = new URL(request.url, 'http://x').searchParams.get('codes')?.split(',') ?? ['200'];
    response.writeHead(Number(codes[Math.min(calls++, codes.length - 1)])).end('done');
  });
}`;

interface Noted {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

async function startAsync(maxAttempts = 3, internalHandlers: readonly InternalHandler[] = []) {
  await using starting = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'spoor-a-'));
  starting.defer(() => rmSync(folder, { recursive: true, force: true }));
  const router = starting.use(
    await startTestRouter({
      internalHandlers,
      async: {
        path: join(folder, 'async.db'),
        policy: { maxAttempts, firstBackOffMs: 5, maxBackOffMs: 20 },
      },
    }),
  );
  const file = join(folder, 'calls');
  router.catalog.putFunction('later', noting(file));
  router.catalog.put(
    triggerOf('things', 'later', { relativeurl: '/things/{id}', methods: ['POST'], invocationMode: 'async' }),
  );
  router.catalog.put(triggerOf('now', 'later', { relativeurl: '/now', methods: ['POST'] }));
  const stack = starting.move();
  const state = async (id: string) =>
    (await (await fetch(`${router.internalUrl}/async/${id}`)).json()) as Record<string, unknown>;
  return {
    ...router,
    folder,
    calls: () => notedIn(file),
    state,
    async settled(id: string): Promise<Record<string, unknown>> {
      for (;;) {
        const found = await state(id);
        if (found['settledAt'] !== undefined) return found;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    spansOf: (name: string) => router.spans().filter((span) => span.name === name),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function notedIn(file: string): Noted[] {
  try {
    return readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Noted);
  } catch {
    return [];
  }
}

async function accepted(answer: Response): Promise<string> {
  assert.equal(answer.status, 202);
  const { invocationId } = (await answer.json()) as { invocationId: string };
  assert.equal(answer.headers.get('x-fission-invocation-id'), invocationId);
  return invocationId;
}

const ASYNC = { 'x-fission-invoke-mode': 'async' };

test('a request to an async trigger is answered 202 and delivered as it was, in the same trace', async () => {
  await using router = await startAsync();
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const answer = await fetch(`${router.url}/things/7?x=1`, {
    method: 'POST',
    body: 'hello',
    headers: {
      'content-type': 'text/plain',
      'x-mine': 'kept',
      cookie: 'session=secret',
      'x-fission-params-id': 'forged',
      'x-fission-invocation-id': 'forged',
      traceparent: `00-${traceId}-b7ad6b7169203331-01`,
      baggage: 'who=me',
    },
  });
  const id = await accepted(answer);
  const settled = await router.settled(id);
  assert.deepEqual(
    [settled['state'], settled['condition'], settled['status'], settled['attempts'], settled['traceId']],
    ['succeeded', 'Success', 200, 1, traceId],
  );
  assert.equal(Buffer.from(settled['answer'] as string, 'base64').toString(), 'done');
  const [call] = router.calls();
  assert.equal(call?.url, '/?x=1');
  assert.equal(call.body, 'hello');
  const { headers } = call;
  assert.equal(headers['content-type'], 'text/plain');
  assert.equal(headers['x-mine'], 'kept');
  assert.equal(headers['cookie'], undefined);
  assert.equal(headers['x-fission-params-id'], '7');
  assert.equal(headers['x-fission-invocation-id'], id);
  assert.equal(headers['x-fission-invocation-attempt'], '1');
  assert.equal(headers['baggage'], 'who=me');

  const [server] = router.spansOf('POST /things/{id}');
  const [invoke] = router.spansOf('invoke later');
  assert.equal(server?.traceId, traceId);
  assert.equal(invoke?.parentSpanId, server.spanId);
  assert.equal(invoke.links[0]?.spanId, server.spanId);
  assert.equal(headers['traceparent'], `00-${traceId}-${invoke.spanId}-01`);
  assert.equal(invoke.attributes['spoor.attempt'], 1n);
  assert.equal(invoke.attributes['spoor.outcome'], 'success');
});

test('a delivery that fails is tried again, each try a span of the one trace', async () => {
  await using router = await startAsync();
  const id = await accepted(
    await fetch(`${router.url}/now?codes=500,503,200`, { method: 'POST', headers: ASYNC }),
  );
  const settled = await router.settled(id);
  assert.deepEqual([settled['state'], settled['attempts']], ['succeeded', 3]);
  const invokes = router.spansOf('invoke later');
  assert.deepEqual(
    invokes.map(({ attributes }) => [attributes['spoor.attempt'], attributes['spoor.outcome']]),
    [
      [1n, 'retry'],
      [2n, 'retry'],
      [3n, 'success'],
    ],
  );
  assert.equal(new Set(invokes.map(({ traceId }) => traceId)).size, 1);
});

test('what fails every time is a dead letter, which can be delivered again and deleted', async () => {
  await using router = await startAsync();
  const id = await accepted(
    await fetch(`${router.url}/now?codes=500,500,500,200`, { method: 'POST', headers: ASYNC }),
  );
  const dead = await router.settled(id);
  assert.deepEqual([dead['state'], dead['condition'], dead['attempts']], ['dead', 'RetriesExhausted', 3]);
  assert.equal(router.spansOf('invoke later').at(-1)?.attributes['spoor.outcome'], 'dead_letter');
  const list = (await (await fetch(`${router.internalUrl}/async?state=dead`)).json()) as { items: object[] };
  assert.equal(list.items.length, 1);

  const redriven = await fetch(`${router.internalUrl}/async/${id}/redrive`, { method: 'POST' });
  assert.equal(redriven.status, 202);
  assert.equal((await router.settled(id))['state'], 'succeeded');
  assert.equal((await fetch(`${router.internalUrl}/async/${id}`, { method: 'DELETE' })).status, 204);
  assert.equal((await fetch(`${router.internalUrl}/async/${id}`)).status, 404);
});

test('the outcome is told to the destination of the function, in the same trace', async () => {
  await using router = await startAsync(3, [
    {
      prefix: '/topics/',
      handle: (request, response) => {
        let body = '';
        request.on('data', (chunk: Buffer) => (body += chunk.toString()));
        request.on('end', () => {
          told.push({ topic: request.url, traceparent: request.headers['traceparent'], body });
          // The first time the queue is away.
          response.writeHead(told.length === 1 ? 503 : 200).end('{}');
        });
      },
    },
  ]);
  const told: { topic: string | undefined; traceparent: unknown; body: string }[] = [];
  const file = join(router.folder, 'told');
  router.catalog.putFunction('after', noting(file), {
    invocation: { onSuccess: { type: 'function', name: 'after' } },
  });
  router.catalog.putFunction('later', noting(join(router.folder, 'calls')), {
    invocation: {
      maxAttempts: 2,
      onSuccess: { type: 'function', name: 'after' },
      onFailure: { type: 'topic', name: 'failures' },
    },
  });
  const good = await accepted(
    await fetch(`${router.url}/now`, { method: 'POST', headers: ASYNC, body: '{"a":1}' }),
  );
  // It tells itself, too; a ring of destinations ends.
  await until(() => notedIn(file).length === 3);
  const first = notedIn(file)[0] as Noted;
  assert.deepEqual(JSON.parse(first.body), {
    version: '1.0',
    requestContext: {
      invocationId: good,
      functionRef: 'default/later',
      condition: 'Success',
      attempts: 1,
    },
    requestPayload: { a: 1 },
    responseContext: { statusCode: 200 },
    responsePayload: 'done',
  });
  assert.deepEqual(
    notedIn(file).map(({ headers }) => headers['x-fission-invocation-depth']),
    ['1', '2', '3'],
  );
  const [server] = router.spansOf('POST /now');
  const [delivery] = router.spansOf('invoke later');
  const [chained] = router.spansOf('invoke after');
  assert.equal(chained?.traceId, server?.traceId);
  assert.equal(chained?.parentSpanId, delivery?.spanId);

  const bad = await accepted(
    await fetch(`${router.url}/now?codes=200,500`, { method: 'POST', headers: ASYNC }),
  );
  const dead = await router.settled(bad);
  assert.deepEqual([dead['condition'], dead['attempts']], ['RetriesExhausted', 2], 'its own attempts');
  await until(() => told.length === 2);
  assert.equal(told[1]?.topic, '/topics/failures');
  const { requestContext, responseContext } = JSON.parse(told[1].body) as Record<string, object>;
  assert.deepEqual(
    [requestContext, responseContext],
    [
      { invocationId: bad, functionRef: 'default/later', condition: 'RetriesExhausted', attempts: 2 },
      { statusCode: 500 },
    ],
  );
  const last = router.spansOf('invoke later').at(-1);
  assert.equal(told[1].traceparent, `00-${last?.traceId}-${last?.spanId}-01`);
});

test("a client's own mistake is not tried again", async () => {
  await using router = await startAsync();
  const id = await accepted(await fetch(`${router.url}/now?codes=422`, { method: 'POST', headers: ASYNC }));
  const dead = await router.settled(id);
  assert.deepEqual([dead['state'], dead['condition'], dead['attempts']], ['dead', 'Http4xx', 1]);
});

test('one dedup key, one invocation', async () => {
  await using router = await startAsync();
  const ask = () =>
    fetch(`${router.url}/now`, { method: 'POST', headers: { ...ASYNC, 'x-fission-dedup-key': 'order-1' } });
  const first = await accepted(await ask());
  assert.equal(await accepted(await ask()), first);
  await router.settled(first);
  assert.equal(await accepted(await ask()), first);
  assert.equal(router.calls().length, 1);
});

test('what cannot be kept is refused at once', async () => {
  await using router = await startAsync();
  const tooLarge = await fetch(`${router.url}/now`, {
    method: 'POST',
    headers: ASYNC,
    body: 'x'.repeat(256 * 1024 + 1),
  });
  assert.equal(tooLarge.status, 413);
  router.catalog.put(triggerOf('gone', 'nobody', { relativeurl: '/gone', invocationMode: 'async' }));
  assert.equal((await fetch(`${router.url}/gone`)).status, 404);
  assert.deepEqual(router.calls(), []);
});

test('the internal listener takes asynchronous calls too', async () => {
  await using router = await startAsync();
  const id = await accepted(
    await fetch(`${router.internalUrl}/fission-function/later/sub?x=2`, { method: 'POST', headers: ASYNC }),
  );
  await router.settled(id);
  assert.equal(router.calls()[0]?.url, '/sub?x=2');
});

test('what was being delivered when the process died is due again, what was settled is not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spoor-a-'));
  try {
    const path = join(folder, 'async.db');
    const request = (id: string) => ({
      id,
      fn: { namespace: 'default', name: 'later' },
      depth: 0,
      method: 'POST',
      path: '/',
      headers: { a: 'b' },
      body: Buffer.from([0, 255]),
      carrier: {},
      requestId: 'r',
      dedupKey: '',
      acceptedMs: 1,
    });
    {
      using store = new AsyncStore(path);
      for (const id of ['running', 'settled', 'waiting']) store.add(request(id));
      assert.equal(store.takeDue(2)?.attempts, 1);
      const taken = store.takeDue(2);
      store.settle(taken?.id ?? '', {
        state: 'succeeded',
        failures: 0,
        dueMs: 0,
        settledMs: 2,
        condition: 'Success',
        status: 200,
        message: '',
        answer: Buffer.alloc(0),
      });
    }
    using store = new AsyncStore(path);
    const again = [store.takeDue(2), store.takeDue(2), store.takeDue(2)];
    assert.deepEqual(
      again
        .map((taken) => taken?.attempts)
        .filter(Boolean)
        .toSorted((a, b) => (a ?? 0) - (b ?? 0)),
      [1, 2],
    );
    assert.deepEqual(Buffer.from(again[0]?.body ?? []), Buffer.from([0, 255]));
    assert.deepEqual(again[0]?.headers, { a: 'b' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a stop in the middle leaves the delivery to the next platform', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'spoor-a-'));
  try {
    const path = join(folder, 'async.db');
    {
      await using router = await startTestRouter({ async: { path } });
      router.catalog.putFunction('slow', `export default () => {}`);
      router.catalog.put(triggerOf('slow', 'slow', { invocationMode: 'async' }));
      await accepted(await fetch(`${router.url}/slow`));
      await until(() => router.executor.instances().some(({ active }) => active === 1));
    }
    using store = new AsyncStore(path);
    assert.equal(store.takeDue(Date.now())?.attempts, 2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
