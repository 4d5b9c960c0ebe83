import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SPAN_KIND, STATUS_CODE } from '../../span/span-data.ts';
import { startStandIn } from '../conformance/stand-in.ts';
import { journalOf, startWith } from './test/start-with.ts';
import { usersTools } from './test/users-tools.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };

void test('every client of Python’s carries the trace on, a CLIENT span for each call, over one connection too', async () => {
  const tools = await usersTools();
  await using around = await startStandIn();
  await using environment = await startWith(
    `import sys
sys.path.append(${JSON.stringify(tools)})
import http.client, os, urllib.request
import requests, urllib3
url = os.environ['SPOOR_ROUTER_URL']

def main():
    with requests.Session() as session:
        session.get(url + '/requests?x=1')
        session.post(url + '/requests-again', json={'a': 1})
        with session.get(url + '/requests-streamed', stream=True) as streamed:
            b''.join(streamed.iter_content(4))
    pool = urllib3.PoolManager()
    pool.request('PUT', url + '/urllib3', body=b'x')
    urllib.request.urlopen(url + '/urllib').read()
    connection = http.client.HTTPConnection(url.removeprefix('http://'))
    for path in ('/http', '/http-again'):
        connection.request('GET', path)
        connection.getresponse().read()
    connection.putrequest('POST', '/by-hand')
    connection.putheader('Content-Length', '2')
    connection.endheaders(b'hi')
    connection.getresponse().read()
    return 'ok'
`,
    { env: { SPOOR_ROUTER_URL: around.url } },
  );
  const answer = await environment.ask({ headers: CALLER });
  assert.deepEqual([answer.status, answer.text], [200, 'ok'], environment.stderr);
  const { spans } = await journalOf(environment);
  const root = spans.find(({ name }) => name === 'greeter');
  assert.ok(root);
  assert.deepEqual(
    around.received.map(({ method, path }) => `${method} ${path}`),
    [
      'GET /requests?x=1',
      'POST /requests-again',
      'GET /requests-streamed',
      'PUT /urllib3',
      'GET /urllib',
      'GET /http',
      'GET /http-again',
      'POST /by-hand',
    ],
  );
  for (const { method, path, headers } of around.received) {
    const span = spans.find((each) => headers['traceparent'] === `00-${TRACE}-${each.spanId}-01`);
    assert.ok(span, `${path} brought ${String(headers['traceparent'])}`);
    assert.deepEqual([span.name, span.kind, span.parentSpanId], [method, SPAN_KIND.client, root.spanId]);
    assert.equal(span.attributes['url.full'], around.url + path);
    assert.equal(span.attributes['http.response.status_code'], 200n);
    assert.ok(span.endTimeUnixNano <= root.endTimeUnixNano);
  }
  assert.equal(spans.length, 1 + around.received.length);
});

void test('a call that fails is an error on its span, and nothing hangs open', async () => {
  const refusing = createServer();
  await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve));
  const { port } = refusing.address() as AddressInfo;
  await new Promise((resolve) => refusing.close(resolve));
  const cutting = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => cutting.listen(0, '127.0.0.1', resolve));
  try {
    await using environment = await startWith(`import urllib.request
def main():
    for port in (${port}, ${(cutting.address() as AddressInfo).port}):
        try:
            urllib.request.urlopen(f'http://127.0.0.1:{port}/away')
        except OSError:
            pass
    return 'ok'
`);
    assert.equal((await environment.ask({ headers: CALLER })).text, 'ok');
    const { spans, open } = await journalOf(environment);
    const calls = spans.filter(({ kind }) => kind === SPAN_KIND.client);
    assert.deepEqual(open, []);
    assert.equal(calls.length, 2);
    for (const { status, events } of calls) {
      assert.equal(status.code, STATUS_CODE.error);
      assert.equal(events[0]?.name, 'exception');
    }
  } finally {
    await new Promise((resolve) => cutting.close(resolve));
  }
});

void test('outside an invocation nothing is traced', async () => {
  await using around = await startStandIn();
  await using environment = await startWith(
    `import os, urllib.request
urllib.request.urlopen(os.environ['SPOOR_ROUTER_URL'] + '/at-load').read()
def main():
    return 'ok'
`,
    { env: { SPOOR_ROUTER_URL: around.url } },
  );
  assert.equal((await environment.ask()).text, 'ok');
  assert.deepEqual(
    around.received.map(({ path, headers }) => [path, headers['traceparent']]),
    [['/at-load', undefined]],
  );
  assert.equal((await journalOf(environment)).spans.length, 1);
});
