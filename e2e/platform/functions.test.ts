import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { applyDirectory } from '../../cli/verbs/spec.ts';
import { spoorUp, type SpoorUp } from '../support/spoor.ts';
import { assertOneTree, outlineOf, settledTrace } from '../support/traces.ts';

const SPECS = join(import.meta.dirname, '../functions/specs');

/** Functions written as Fission's public examples are, from specs, unchanged: each entry-point form in both languages. */
describe('functions as Fission runs them', () => {
  let up: SpoorUp;
  before(async () => {
    up = await spoorUp();
    const { warnings } = await applyDirectory(up.internal, SPECS, { wait: true });
    assert.deepEqual(warnings, []);
  });
  after(async () => {
    await up[Symbol.asyncDispose]();
  });

  const ANSWERS: readonly (readonly [
    what: string,
    path: string,
    status: number,
    body: string | object,
    init?: RequestInit,
  ])[] = [
    ['a single file, version 1 of the interface', '/node-hello', 200, 'Hello, world!\n'],
    ['a callback', '/node-callback?name=Ada', 200, 'Hello, Ada!\n'],
    ['an ES module', '/node-esm', 200, { module: 'esm', lines: 6 }],
    ['a named export of one of several files', '/node-named?name=Ada', 200, 'Good bye, Ada'],
    ['the main of a package.json', '/node-main', 200, 'from with-main'],
    [
      'a JSON body',
      '/node-echo?a=1',
      200,
      { method: 'PUT', query: { a: '1' }, type: 'application/json', body: { b: [2] } },
      json('PUT', { b: [2] }),
    ],
    [
      'bytes',
      '/node-echo',
      200,
      { method: 'POST', query: {}, type: 'application/octet-stream', body: '00ff' },
      {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: new Uint8Array([0, 255]),
      },
    ],
    ['variables of the path', '/guestbook/ada/messages/42', 200, { name: 'ada', id: '42', url: '/' }],
    ['a prefix that is kept', '/site/pages/1?x=y', 200, { url: '/site/pages/1?x=y' }],
    ['status, repeated headers and a type of its own', '/node-answer', 201, '<ok/>'],
    ['an empty answer', '/node-answer?empty=1', 204, ''],
    [
      'environment variables of the environment and of the function',
      '/node-settings',
      200,
      { region: 'moon', own: 'mine' },
    ],
    ['a source package, built with npm', '/node-build?name=Ada', 200, 'Built hello, Ada'],
    ['a Python function', '/python-hello', 200, 'Hello, world!\n'],
    ['module.function of several files', '/python-user', 200, "[0, {'a': 'Hello'}]\n"],
    ['package.module.function', '/python-shop?item=tea&item=cake', 200, { total: 7 }],
    [
      'body, status and headers of Flask',
      '/python-echo?a=1',
      202,
      { method: 'POST', args: { a: '1' }, json: { b: 2 }, path: '/' },
      json('POST', { b: 2 }),
    ],
    ['variables of the path, in Python', '/py-guestbook/ada/messages/7', 200, 'ada/7'],
    ["Flask's abort", '/python-failing?abort=1', 418, /teapot/i],
    ['a generator', '/python-lines', 200, 'line 0\nline 1\nline 2\n'],
    ['a source package with a build script', '/python-build', 200, 'built on this machine'],
  ];
  for (const [what, path, status, body, init] of ANSWERS)
    test(`${what}: ${path}`, async () => {
      const response = await fetch(`${up.router}${path}`, init);
      const text = await response.text();
      assert.equal(response.status, status, text);
      if (body instanceof RegExp) assert.match(text, body);
      else if (typeof body === 'string') assert.equal(text, body);
      else assert.deepEqual(JSON.parse(text), body);
    });

  test('headers: repeated ones stay so, its own type goes through', async () => {
    const response = await fetch(`${up.router}/node-answer?status=299`);
    assert.equal(response.status, 299);
    assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2']);
    assert.match(response.headers.get('content-type') ?? '', /^application\/xml/);
    assert.equal((await fetch(`${up.router}/node-callback`)).headers.get('x-greeted'), 'yes');
    assert.equal((await fetch(`${up.router}/python-echo`)).headers.get('x-answered-by'), 'python');
  });

  test('a path that does not fit the pattern is not found', async () => {
    assert.equal((await fetch(`${up.router}/guestbook/ada/messages/notanumber`)).status, 404);
  });

  test('an exception is a 500 whose trace names it, in both languages', async () => {
    for (const [path, name, message] of [
      ['/node-answer?throw=1', 'node-answer', 'asked to throw'],
      ['/python-failing', 'python-failing', 'asked to fail'],
    ] as const) {
      const response = await fetch(`${up.router}${path}`);
      assert.equal(response.status, 500);
      const spans = await settledTrace(up, traceIdOf(response), name);
      const span = spans.find((one) => one.name === name);
      assert.equal(
        span?.events.find((event) => event.name === 'exception')?.attributes['exception.message'],
        message,
      );
    }
  });

  test('events of a stream come one by one', async () => {
    const response = await fetch(`${up.router}/node-stream`);
    const chunks: string[] = [];
    for await (const chunk of response.body as AsyncIterable<Uint8Array>)
      chunks.push(Buffer.from(chunk).toString());
    assert.deepEqual(chunks.join(''), 'data: 1\n\ndata: 2\n\ndata: 3\n\n');
    assert.ok(chunks.length >= 3, `in ${chunks.length} chunks`);
  });

  test('a long call is answered within its time-out, and cut at it', async () => {
    assert.equal(await (await fetch(`${up.router}/node-long?ms=1200`)).text(), 'done');
    const late = await fetch(`${up.router}/node-long?ms=30000`);
    assert.equal(late.status, 504);
    assert.equal(((await late.json()) as { reason: string }).reason, 'function_timeout');
    assert.equal(
      await (await fetch(`${up.router}/node-long`)).text(),
      'done',
      'the next is answered as ever',
    );
  });

  test('a body over the limit of the environment is refused, one at it is not', async () => {
    const upload = (bytes: number) =>
      fetch(`${up.router}/node-upload`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: new Uint8Array(bytes),
      });
    assert.deepEqual(await (await upload(1024 * 1024)).json(), { bytes: 1024 * 1024 });
    const refused = await upload(1024 * 1024 + 1);
    await refused.arrayBuffer();
    assert.equal(refused.status, 413);
  });

  for (const path of ['/node-ws-echo', '/python-ws-echo'])
    test(`a websocket that echoes: ${path}`, async () => {
      using socket = await open(`${up.router}${path}`);
      socket.send('one');
      assert.equal(await socket.next(), 'echo one');
      socket.send('two');
      assert.equal(await socket.next(), 'echo two');
    });

  test('a websocket that tells everybody', async () => {
    using ada = await open(`${up.router}/node-ws-broadcast`);
    using grace = await open(`${up.router}/node-ws-broadcast`);
    // Both are connected once each has heard itself.
    grace.send('hello');
    assert.equal(await grace.next(), 'hello');
    assert.equal(await ada.next(), 'hello');
    ada.send('to all');
    assert.deepEqual([await ada.next(), await grace.next()], ['to all', 'to all']);
  });

  test('three functions in two languages that call each other are one trace', async () => {
    const response = await fetch(`${up.router}/chain-front?name=Ada`);
    assert.equal(await response.text(), 'front(middle(back(Ada)))');
    const spans = await settledTrace(up, traceIdOf(response), 'GET /chain-front');
    assertOneTree(spans);
    assert.deepEqual(
      outlineOf(spans)
        .map((line) => line.trim())
        .filter((line) => /SERVER chain-/.test(line)),
      ['chain-front SERVER chain-front', 'chain-middle SERVER chain-middle', 'chain-back SERVER chain-back'],
    );
  });

  test('to apply and to build are traces, and a build links to the apply that caused it', async () => {
    const ask = async (operation: string) => {
      const query = new URLSearchParams({ service: 'builder', operation });
      const response = await fetch(`${up.query}/api/traces?${query.toString()}`);
      return (
        (await response.json()) as {
          data: { traceID: string; spans: { references: { traceID: string }[] }[] }[];
        }
      ).data;
    };
    const [applied] = await ask('apply functions');
    const [built] = await ask('build node-build');
    assert.ok(applied && built);
    assert.equal(built.spans.length, 4, 'the build, and its unpacking, installing and packing');
    assert.ok(
      built.spans.some(({ references }) => references.some(({ traceID }) => traceID === applied.traceID)),
    );
  });

  test('applying the folder again changes nothing', async () => {
    const { created, updated, deleted } = await applyDirectory(up.internal, SPECS, { wait: true });
    assert.deepEqual([created, updated, deleted], [[], [], []]);
  });
});

function json(method: string, body: unknown): RequestInit {
  return { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

function traceIdOf(response: Response): string {
  return response.headers.get('traceresponse')?.split('-')[1] ?? '';
}

interface Socket extends Disposable {
  send(text: string): void;
  /** The next message. */
  next(): Promise<string>;
}

async function open(url: string): Promise<Socket> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'));
  const messages: string[] = [];
  let wake = () => {};
  socket.addEventListener('message', ({ data }) => {
    messages.push(String(data));
    wake();
  });
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', () => reject(new Error(`cannot open ${url}`)));
  });
  return {
    send: (text) => socket.send(text),
    async next() {
      while (messages.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return messages.shift() as string;
    },
    [Symbol.dispose]: () => socket.close(),
  };
}
