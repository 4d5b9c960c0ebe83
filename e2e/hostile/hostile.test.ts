import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlClient } from '../../platform/spec/client.ts';
import { fromManifest } from '../../platform/spec/manifest.ts';
import { spoorUp, type SpoorUp } from '../support/spoor.ts';

/** Whatever one client or function does, the platform answers the others as before. */
let up: SpoorUp;
let control: ControlClient;

before(async () => {
  up = await spoorUp();
  control = new ControlClient(up.internal);
  await put('Environment', 'node', {
    version: 3,
    runtime: { image: 'ghcr.io/fission/node-env' },
    poolsize: 2,
  });
  await deploy('friend', `module.exports = async () => ({ status: 200, body: 'well' });`);
  await othersAreWell();
});

after(() => up[Symbol.asyncDispose]());

test('a header of 100 MB is refused long before its end', async () => {
  const socket = dial();
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  socket.write('GET /friend HTTP/1.1\r\nhost: x\r\nx-big: ');
  const piece = 'x'.repeat(1024 * 1024);
  let sent = 0;
  for (; sent < 100 && !socket.destroyed; sent++) {
    if (!socket.write(piece))
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
    await sleep(1);
  }
  assert.ok(sent < 100, `${sent} MB were taken`);
  assert.match(answer, /^HTTP\/1.1 431|^$/);
  await othersAreWell();
});

test('five hundred clients that never finish their headers, and others that drip a body, keep nobody out', async () => {
  await using slow = new AsyncDisposableStack();
  for (let i = 0; i < 500; i++) {
    const socket = dial();
    slow.defer(() => void socket.destroy());
    socket.write(
      i % 2
        ? 'GET /friend HTTP/1.1\r\nx-a: '
        : 'POST /friend HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nx',
    );
  }
  await sleep(300);
  await othersAreWell();
});

test('what only the router may say is not taken from a client', async () => {
  await deploy(
    'headers',
    `module.exports = async ({ request }) => ({ status: 200, body: JSON.stringify(request.headers) });`,
  );
  const answer = await fetch(`${up.router}/headers`, {
    headers: {
      'x-fission-params-id': 'forged',
      'X-Fission-Function-Name': 'forged',
      'x-fission-invocation-id': 'forged',
      'x-spoor-attempt': '3',
      'x-spoor-coldstart': 'forged',
    },
  });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  assert.doesNotMatch(text, /forged/);
});

test('an absolute-form target, as HTTP_PROXY makes them, reaches a trigger and no other host', async () => {
  const ask = async (target: string) => {
    const socket = dial();
    socket.write(`GET ${target} HTTP/1.1\r\nhost: router.fission.svc\r\nconnection: close\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return text;
  };
  assert.match(await ask('http://router.fission.svc/friend'), /^HTTP\/1.1 200[^]*well/);
  assert.match(await ask('http://example.com/nowhere'), /^HTTP\/1.1 404/);
});

test('bytes that are no HTTP get 400', async () => {
  const socket = dial();
  socket.write(Buffer.from([0x16, 0x03, 0x01, 0xff, 0xfe, 0x00, 0x0d, 0x0a, 0x0d, 0x0a]));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  assert.match(answer.toString(), /^HTTP\/1.1 400/);
  await othersAreWell();
});

const HOSTILE = {
  'forks children that outlive it': `const { spawn } = require('node:child_process');
    module.exports = async () => {
      for (let i = 0; i < 30; i++) spawn('sleep', ['600'], { stdio: 'ignore' });
      return { status: 200, body: 'forked' };
    };`,
  'floods stdout': `module.exports = async () => {
      setInterval(() => { for (let i = 0; i < 50; i++) console.log('y'.repeat(10_000)); }, 0);
      return { status: 200, body: 'flooding' };
    };`,
  'loops for ever': `module.exports = async () => { for (;;); };`,
  'fills its disk': `const { openSync, writeSync, ftruncateSync } = require('node:fs');
    module.exports = async () => {
      const fd = openSync('full', 'w');
      writeSync(fd, 'x', 2 ** 30 + 1);
      return { status: 200, body: 'filled' };
    };`,
  'answers without end': `const { Readable } = require('node:stream');
    module.exports = async () => ({ status: 200, body: new Readable({ read() { this.push(Buffer.alloc(65536)); } }) });`,
  'eats its memory': `module.exports = async () => { const all = []; for (;;) all.push(new Array(1e6).fill(all.length)); };`,
  'answers with what is no answer': `const { writeSync, readdirSync, readlinkSync } = require('node:fs');
    module.exports = async ({ response }) => { response.socket.write('garbage\\r\\n\\r\\n'); response.socket.end(); return { status: 200, body: '' }; };`,
  'ends itself': `module.exports = async () => { process.kill(process.pid, 'SIGSEGV'); await new Promise(() => {}); };`,
} as const;

for (const [what, code] of Object.entries(HOSTILE)) {
  test(`a function that ${what} is its own problem`, async () => {
    const name = what.replaceAll(/\W/g, '-');
    await deploy(name, code, {
      functionTimeout: 2,
      ...(what === 'eats its memory' && { resources: { limits: { memory: '64Mi' } } }),
    });
    const hostile = fetch(`${up.router}/${name}`, { signal: AbortSignal.timeout(20_000) })
      .then(async (answer) => {
        let bytes = 0;
        for await (const chunk of answer.body ?? []) bytes += chunk.length;
        return `${answer.status}, ${bytes} bytes`;
      })
      .catch((error: unknown) => `no whole answer: ${String(error)}`);
    await sleep(200);
    await othersAreWell();
    const outcome = await hostile;
    await othersAreWell();
    if (/loops|disk|memory|itself|no answer/.test(what)) assert.match(outcome, /^50[024]|no whole answer/);
    await control.delete('HTTPTrigger', { name, namespace: 'default' });
    await control.delete('Function', { name, namespace: 'default' });
    await othersAreWell();
  });
}

function dial(): Socket {
  const { hostname, port } = new URL(up.router);
  return connect(Number(port), hostname).on('error', () => {});
}

async function othersAreWell(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const answer = await fetch(`${up.router}/friend`, { signal: AbortSignal.timeout(15_000) });
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), 'well');
  }
}

async function put(kind: string, name: string, spec: object): Promise<void> {
  await control.put(fromManifest({ kind, metadata: { name }, spec }));
}

async function deploy(name: string, code: string, spec: object = {}): Promise<void> {
  const environment = { name: 'node' };
  const literal = Buffer.from(code).toString('base64');
  await put('Package', name, { environment, deployment: { type: 'literal', literal } });
  await put('Function', name, { environment, package: { packageref: { name } }, ...spec });
  await put('HTTPTrigger', name, {
    relativeurl: `/${name}`,
    methods: ['GET', 'POST'],
    functionref: { type: 'name', name },
  });
}
