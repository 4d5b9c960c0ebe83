import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Ask, Answer } from '../conformance/environment-process.ts';
import { startWith } from './start-with.ts';

const CALLS: readonly {
  readonly name: string;
  readonly source: string;
  readonly ask?: Ask;
  readonly status: number;
  readonly text?: string | RegExp;
  readonly type?: string;
  readonly check?: (answer: Answer) => void;
}[] = [
  {
    name: 'no parameter',
    source: `module.exports = () => ({ status: 200, body: 'zero' })`,
    status: 200,
    text: 'zero',
  },
  {
    name: 'callback',
    source: `module.exports = (context, callback) => setTimeout(callback, 1, 202, 'later', { 'X-A': 'b' })`,
    status: 202,
    text: 'later',
    check: ({ headers }) => assert.equal(headers['x-a'], 'b'),
  },
  {
    name: 'callback of an async function',
    source: `module.exports = async (context, callback) => callback(200, 'async')`,
    status: 200,
    text: 'async',
  },
  {
    name: 'two parameters, yet a promise',
    source: `module.exports = async (context, callback) => ({ status: 200, body: 'returned' })`,
    status: 200,
    text: 'returned',
  },
  {
    name: 'callback twice',
    source: `module.exports = (context, callback) => { callback(200, 'one'); callback(500, 'two'); }`,
    status: 200,
    text: 'one',
  },
  {
    name: 'Buffer',
    source: `module.exports = () => ({ status: 200, body: Buffer.from([0, 255]) })`,
    status: 200,
    type: 'application/octet-stream',
    check: ({ body }) => assert.deepEqual([...body], [0, 255]),
  },
  {
    name: 'stream',
    source: `module.exports = () => ({ status: 200, headers: { 'Content-Type': 'text/csv' }, body: require('stream').Readable.from(['a,', 'b']) })`,
    status: 200,
    text: 'a,b',
    type: 'text/csv',
  },
  {
    name: 'number',
    source: `module.exports = () => ({ status: 200, body: 42 })`,
    status: 200,
    text: '42',
    type: 'application/json; charset=utf-8',
  },
  { name: 'no body', source: `module.exports = () => ({ status: 200 })`, status: 200, text: '' },
  {
    name: '204 with a body',
    source: `module.exports = () => ({ status: 204, body: 'x' })`,
    status: 204,
    text: '',
  },
  {
    name: 'HEAD',
    source: `module.exports = () => ({ status: 200, body: 'four' })`,
    ask: { method: 'HEAD' },
    status: 200,
    text: '',
    check: ({ headers }) => assert.equal(headers['content-length'], '4'),
  },
  {
    name: 'repeated headers',
    source: `module.exports = () => ({ status: 200, body: '', headers: { 'Set-Cookie': ['a=1', 'b=2'] } })`,
    status: 200,
    check: ({ headers }) => assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']),
  },
  {
    name: 'the response itself',
    source: `module.exports = async ({ response }) => { response.status(203).set('X-A', 'b').json({ own: true }); }`,
    status: 203,
    text: '{"own":true}',
  },
  {
    name: 'the response as a stream',
    source: `module.exports = async ({ response }) => { response.write('a'); setTimeout(() => response.end('b'), 5); }`,
    status: 200,
    text: 'ab',
  },
  {
    name: 'the response itself, and then it throws',
    source: `module.exports = async ({ response }) => { response.send('x'.repeat(1e6)); throw new Error('late'); }`,
    status: 200,
    text: 'x'.repeat(1e6),
  },
  {
    name: 'redirect',
    source: `module.exports = async ({ response }) => { response.redirect('/there'); }`,
    status: 302,
    check: ({ headers }) => assert.equal(headers.location, '/there'),
  },
  {
    name: 'nothing',
    source: `module.exports = () => {}`,
    status: 500,
    text: /the function returned undefined/,
  },
  {
    name: 'no status',
    source: `module.exports = () => ({ body: 'x' })`,
    status: 500,
    text: /the function gave no status/,
  },
  {
    name: 'callback without a status',
    source: `module.exports = (context, callback) => callback()`,
    status: 500,
    text: /the function gave no status/,
  },
  {
    name: 'a status that is none',
    source: `module.exports = () => ({ status: 'fine' })`,
    status: 500,
    text: /cannot answer with the status \[fine\]/,
  },
  {
    name: 'a header that is none',
    source: `module.exports = () => ({ status: 200, headers: { 'a b': '1' } })`,
    status: 500,
    text: /Header name must be a valid HTTP token/,
  },
  {
    name: 'a body that has no JSON',
    source: `module.exports = () => { const a = {}; a.a = a; return { status: 200, body: a }; }`,
    status: 500,
    text: /circular/,
  },
  {
    name: 'a stream that fails before its first byte',
    source: `module.exports = () => ({ status: 200, body: new (require('stream').Readable)({ read() { this.destroy(new Error('secret')); } }) })`,
    status: 500,
    text: /Internal server error/,
  },
  {
    name: 'throw',
    source: `module.exports = () => { throw new Error('secret'); }`,
    status: 500,
    text: /^(?!.*secret).*"reason":"function_error".*Internal server error/,
  },
  {
    name: 'throw in callback style',
    source: `module.exports = (context, callback) => { throw new Error('secret'); }`,
    status: 500,
    text: /Internal server error/,
  },
  {
    name: 'throw of what is no error',
    source: `module.exports = async () => { throw null; }`,
    status: 500,
    text: /Internal server error/,
  },
  {
    name: 'form',
    source: body(),
    ask: {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'a=1&b=2&b=3',
    },
    status: 200,
    text: '{"a":"1","b":["2","3"]}',
  },
  {
    name: 'text',
    source: body(),
    ask: {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-16le' },
      body: Buffer.from('hé', 'utf16le'),
    },
    status: 200,
    text: '"hé"',
  },
  {
    name: 'octets',
    source: body(`Buffer.isBuffer(request.body) && request.body.length`),
    ask: { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: 'abc' },
    status: 200,
    text: '3',
  },
  {
    name: 'gzip',
    source: body(),
    ask: {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: gzipSync('[1]'),
    },
    status: 200,
    text: '[1]',
  },
  {
    name: 'another type stays a stream',
    source: `module.exports = async ({ request }) => { let text = ''; for await (const chunk of request) text += chunk; return { status: 200, body: text + request.body }; }`,
    ask: { method: 'POST', headers: { 'content-type': 'application/xml' }, body: '<a/>' },
    status: 200,
    text: '<a/>undefined',
  },
  {
    name: 'bare JSON',
    source: body(),
    ask: { method: 'POST', headers: { 'content-type': 'application/json' }, body: '"str"' },
    status: 400,
    text: /must be an object or an array/,
  },
  {
    name: 'a body over the limit',
    source: body(),
    ask: { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(1024 * 1024 + 1) },
    status: 413,
    text: /body_too_large/,
  },
  {
    name: 'a small body that unpacks past the limit',
    source: body(),
    ask: {
      method: 'POST',
      headers: { 'content-type': 'text/plain', 'content-encoding': 'gzip' },
      body: gzipSync(Buffer.alloc(2 * 1024 * 1024)),
    },
    status: 413,
    text: /body_too_large/,
  },
  {
    name: 'an encoding we cannot undo',
    source: body(),
    ask: {
      method: 'POST',
      headers: { 'content-type': 'text/plain', 'content-encoding': 'rot13' },
      body: 'x',
    },
    status: 415,
    text: /\[rot13\]/,
  },
  {
    name: 'what Express gives a request',
    source: `module.exports = async ({ request: r }) => ({ status: 200, body: [r.path, r.originalUrl, r.query.a, r.is('json'), r.is('text/*'), r.params.id, r.hostname, r.header('X-Fission-Params-Id')] })`,
    ask: {
      method: 'POST',
      path: '/p?a=1&a=2',
      headers: {
        'content-type': 'text/html; charset=utf-8',
        'x-fission-params-id': '7',
        host: 'example.org:80',
      },
    },
    status: 200,
    text: '["/p","/p?a=1&a=2",["1","2"],false,"text/*","7","example.org","7"]',
  },
];

for (const { name, source, ask, status, text, type, check } of CALLS) {
  void test(`answers: ${name}`, async () => {
    await using environment = await startWith(source);
    const answer = await environment.ask(ask);
    assert.equal(answer.status, status, answer.text);
    if (typeof text === 'string') assert.equal(answer.text, text);
    else if (text) assert.match(answer.text, text);
    if (type) assert.equal(answer.headers['content-type'], type);
    check?.(answer);
  });
}

void test('a stream that fails half way breaks the connection, so that it does not look whole', async () => {
  await using environment = await startWith(
    `const { Readable } = require('stream');
     module.exports = () => ({ status: 200, body: Readable.from((async function* () { yield 'half'; await new Promise(setImmediate); throw new Error('no more'); })()) })`,
  );
  await assert.rejects(environment.ask(), /aborted|ECONNRESET/);
  environment.child.kill('SIGTERM');
  await environment.ended;
  const [span] = environment.journal().spans;
  assert.equal(span?.events[0]?.attributes['exception.message'], 'no more');
  assert.equal(span.attributes['http.response.status_code'], 200n);
});

void test('without a journal the function runs all the same, and the context still passes', async () => {
  await using environment = await startWith(
    `module.exports = async ({ span, traceHeaders }) => ({ status: 200, body: [span.isRecording(), traceHeaders.traceparent] })`,
    { traced: false },
  );
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  assert.deepEqual(JSON.parse((await environment.ask({ headers: { traceparent } })).text), [
    false,
    traceparent,
  ]);
});

function body(expression = 'request.body'): string {
  return `module.exports = async ({ request }) => ({ status: 200, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(${expression}) });`;
}
