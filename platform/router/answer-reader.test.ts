import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerReader, type AnswerSink } from './answer-reader.ts';

interface Told extends AnswerSink {
  readonly heads: [number, string, string[]][];
  text: string;
  lasts: number;
  trailers: readonly string[] | undefined;
}

function listener(): Told {
  return {
    heads: [],
    text: '',
    lasts: 0,
    trailers: undefined,
    onHead(status, message, headers) {
      this.heads.push([status, message, headers]);
    },
    onData(chunk, isLast) {
      this.text += chunk.toString('latin1');
      if (isLast) this.lasts += 1;
    },
    onText(body) {
      this.text += body;
      this.lasts += 1;
    },
    onEnd(trailers) {
      equal(this.trailers, undefined, 'an answer ends once');
      this.trailers = trailers;
    },
  };
}

const ANSWERS = [
  {
    what: 'a length',
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: \t b \r\n\r\nhello',
    head: [200, 'OK', ['content-length', '5', 'x-a', 'b']],
    text: 'hello',
    keepAliveMs: 30_000,
  },
  {
    what: 'chunks, an extension and trailers',
    bytes:
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n, my world\r\n0\r\nx-sum: 1\r\n\r\n',
    head: [200, 'OK', ['transfer-encoding', 'chunked']],
    text: 'hello, my world',
    trailers: ['x-sum', '1'],
    keepAliveMs: 30_000,
  },
  {
    what: 'no trailers',
    bytes: 'HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n0\r\n\r\n',
    head: [200, '', ['transfer-encoding', 'chunked']],
    text: 'h',
    keepAliveMs: 30_000,
  },
  {
    what: '100 before the answer, and a shorter keep-alive',
    bytes:
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\ncontent-length: 0\r\nkeep-alive: timeout=5\r\n\r\n',
    head: [201, 'Made', ['content-length', '0', 'keep-alive', 'timeout=5']],
    text: '',
    keepAliveMs: 4_000,
  },
  { what: '204', bytes: 'HTTP/1.1 204\r\n\r\n', head: [204, '', []], text: '', keepAliveMs: 30_000 },
  {
    what: 'connection: close',
    bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx',
    head: [200, 'OK', ['content-length', '1', 'connection', 'close']],
    text: 'x',
    keepAliveMs: 0,
  },
] as const;

for (const answer of ANSWERS) {
  test(`an answer with ${answer.what} is read, wherever its bytes are cut`, () => {
    const bytes = Buffer.from(answer.bytes, 'latin1');
    for (let size = 1; size <= bytes.length; size++) {
      const told = listener();
      const reader = new AnswerReader();
      reader.begin(false, told);
      for (let at = 0; at < bytes.length; at += size)
        equal(reader.read(bytes.subarray(at, at + size)), at + size >= bytes.length, `${size} bytes a piece`);
      deepEqual(told.heads, [answer.head]);
      equal(told.text, answer.text);
      deepEqual(told.trailers, 'trailers' in answer ? answer.trailers : []);
      equal(reader.keepAliveMs, answer.keepAliveMs);
    }
  });
}

test('an answer to HEAD has no body, whatever its length says', () => {
  const told = listener();
  const reader = new AnswerReader();
  reader.begin(true, told);
  equal(reader.read(Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n')), true);
  equal(told.text, '');
});

test('without a length the body ends with the connection, which is not kept', () => {
  const told = listener();
  const reader = new AnswerReader();
  reader.begin(false, told);
  equal(reader.read(Buffer.from('HTTP/1.1 200 OK\r\n\r\nhel')), false);
  equal(reader.read(Buffer.from('lo')), false);
  equal(reader.endsWithConnection, true);
  equal(told.text, 'hello');
  equal(reader.keepAliveMs, 0);
});

test('bytes after the answer are not believed', () => {
  const told = listener();
  const reader = new AnswerReader();
  reader.begin(false, told);
  equal(
    reader.read(Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n')),
    true,
  );
  equal(reader.keepAliveMs, 0);
  equal(told.heads.length, 1);
});

const MALFORMED = [
  'SSH-2.0-OpenSSH\r\n\r\n',
  'HTTP/1.1 2x0 OK\r\n\r\n',
  'HTTP/1.1 200 OK\r\nno colon\r\n\r\n',
  'HTTP/1.1 200 OK\r\n: no name\r\n\r\n',
  'HTTP/1.1 200 OK\r\na b: c\r\n\r\n',
  'HTTP/1.1 200 OK\r\nx: a\nset-cookie: b\r\n\r\n',
  'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx',
  'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxyz\r\n',
  'HTTP/1.1 101 Switching\r\n\r\n',
  `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}`,
];

for (const bytes of MALFORMED) {
  test(`[${JSON.stringify(bytes.slice(0, 60))}] is no answer`, () => {
    const reader = new AnswerReader();
    reader.begin(false, listener());
    equal(reader.read(Buffer.from(bytes)), undefined);
    equal(reader.fault === '', false);
  });
}
