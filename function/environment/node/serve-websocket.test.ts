import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { EnvironmentProcess } from '../conformance/environment-process.ts';
import { nodeEnvironment, startWith } from './start-with.ts';

function connect(environment: EnvironmentProcess, headers: Record<string, string> = {}): WebSocket {
  return new WebSocket(`ws+unix:${environment.socketPath}:/chat`, { headers });
}

void test('a websocket is served with (ws, clients) below one span', async () => {
  await using environment = await startWith(
    `module.exports = (ws, clients) => ws.on('message', (text) => { for (const each of clients) each.send('heard ' + text); });`,
  );
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const one = connect(environment, { traceparent: parent });
  const two = connect(environment);
  await Promise.all([once(one, 'open'), once(two, 'open')]);
  const heard = Promise.all([once(one, 'message'), once(two, 'message')]);
  one.send('hi');
  // The first frame each gets is the function's own: no `Error` of the environment's.
  assert.deepEqual(
    (await heard).map(([data]) => String(data)),
    ['heard hi', 'heard hi'],
  );
  one.close();
  await once(one, 'close');
  const closed = once(two, 'close');
  environment.child.kill('SIGTERM');
  assert.equal((await closed)[0], 1001);
  await environment.ended;
  const { spans } = environment.journal();
  const continued = spans.find((span) => span.traceId === parent.slice(3, 35));
  assert.equal(continued?.name, 'greeter');
  assert.equal(continued.attributes['url.path'], '/chat');
});

void test('a websocket function that throws closes with 1011 and the span says why', async () => {
  await using environment = await startWith(`module.exports = async (ws) => { throw new Error('no chat'); }`);
  const ws = connect(environment);
  const [code] = (await once(ws, 'close')) as [number];
  assert.equal(code, 1011);
  environment.child.kill('SIGTERM');
  await environment.ended;
  const [span] = environment.journal().spans;
  assert.equal(span?.events[0]?.attributes['exception.message'], 'no chat');
});

void test('a generic environment refuses a websocket', async () => {
  await using environment = await EnvironmentProcess.start(nodeEnvironment);
  const ws = connect(environment);
  const [error] = (await once(ws, 'error')) as [Error];
  assert.match(error.message, /500/);
});
