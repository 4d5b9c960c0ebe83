/**
 * HTTP/1.1 load over keep-alive connections, raw: as many requests as the server takes, or an even rate. It reads no more of an
 * answer than where it ends, so that it can ask faster than a server of Node can answer.
 */
import { connect, type Socket } from 'node:net';

export interface Load {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second over all connections; undefined: as many as it takes. */
  readonly rate: number | undefined;
}

export interface Answers {
  readonly count: number;
  readonly perSecond: number;
  /** Answers that were not 200. */
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What a platform's router sends a function. The ids differ from request to request; their lengths do not. */
const REQUEST = Buffer.from(
  [
    'GET /hello HTTP/1.1',
    'Host: 127.0.0.1',
    'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'x-fission-request-id: 3f1c2b9a-1111-4222-8333-123456789abc',
    'x-spoor-invocation-id: 3f1c2b9a-1111-4222-8333-123456789abd',
    'x-spoor-trigger: http',
    '\r\n',
  ].join('\r\n'),
);
const SPAN_ID_AT = REQUEST.indexOf('b7ad6b7169203331');
const INVOCATION_ID_AT = REQUEST.indexOf('123456789abd');

export async function load(options: Load): Promise<Answers> {
  const latencies: number[] = [];
  let failed = 0;
  let sent = 0;
  const from = performance.now();
  const until = from + options.seconds * 1_000;
  const connections = await Promise.all(
    Array.from({ length: options.connections }, () => Connection.open(options.port)),
  );
  const answered = (ms: number, isOk: boolean) => {
    latencies.push(ms);
    if (!isOk) failed += 1;
  };
  if (options.rate === undefined) {
    await Promise.all(
      connections.map(async (connection) => {
        while (performance.now() < until) await connection.ask(performance.now(), answered);
      }),
    );
  } else {
    const idle = [...connections];
    const running = new Set<Promise<void>>();
    const askOne = async (connection: Connection) => {
      await connection.ask(performance.now(), answered);
      idle.push(connection);
    };
    while (performance.now() < until) {
      const due = Math.floor(((performance.now() - from) / 1_000) * options.rate);
      for (; sent < due && idle.length > 0; sent++) {
        const connection = idle.pop() as Connection;
        const asked = askOne(connection);
        running.add(asked);
        void asked.finally(() => running.delete(asked));
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(running);
  }
  const seconds = (performance.now() - from) / 1_000;
  for (const connection of connections) connection.close();
  latencies.sort((a, b) => a - b);
  const quantile = (q: number) => latencies[Math.floor(latencies.length * q)] ?? Number.NaN;
  return {
    count: latencies.length,
    perSecond: latencies.length / seconds,
    failed,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  };
}

class Connection {
  readonly #socket: Socket;
  #answer: ((isOk: boolean) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  #text = '';
  readonly #request = Buffer.from(REQUEST);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#read(bytes));
    socket.on('error', (error) => this.#fail?.(error));
    socket.on('close', () => this.#fail?.(new Error('the server closed the connection')));
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect({ port, host: '127.0.0.1' });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Connection(socket);
  }

  ask(fromMs: number, answered: (ms: number, isOk: boolean) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      this.#answer = (isOk) => {
        answered(performance.now() - fromMs, isOk);
        resolve();
      };
      putHex(this.#request, SPAN_ID_AT);
      putHex(this.#request, INVOCATION_ID_AT);
      this.#socket.write(this.#request);
    });
  }

  close(): void {
    this.#fail = undefined;
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#text += bytes.toString('latin1');
    const head = this.#text.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#text);
    const isWhole = length
      ? this.#text.length >= head + 4 + Number(length[1])
      : this.#text.endsWith('0\r\n\r\n');
    if (!isWhole) return;
    const isOk = this.#text.startsWith('HTTP/1.1 200');
    this.#text = '';
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.(isOk);
  }
}

/** Eight random hex digits, in place. */
function putHex(bytes: Buffer, at: number): void {
  bytes.write(((Math.random() * 2 ** 32) >>> 0).toString(16).padStart(8, '0'), at, 'latin1');
}
