/**
 * HTTP/1.1 load over keep-alive connections, raw: as many requests as the server takes, or an even rate. It must be able to ask faster
 * than a server of Node can answer, on a core that it shares with the agent: it makes no promise and no text for a request, reads each
 * socket into one buffer, and of an answer that is as long as the last whole one it looks at the status alone.
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
    'x-fission-request-id: 3f1c2b9a-1111-4222-8333-12342222bbbb',
    'x-spoor-invocation-id: 3f1c2b9a-1111-4222-8333-12343333cccc',
    'x-spoor-trigger: http',
    '\r\n',
  ].join('\r\n'),
);
const IDS_AT = ['b7ad6b71', '2222bbbb', '3333cccc'].map((digits) => REQUEST.indexOf(digits));
const READ_BYTES = 16 * 1024;
const STATUS_AT = 'HTTP/1.1 '.length;
const TWO = 0x32;

/** Rejects when a connection breaks. */
export async function load({ port, connections, seconds, rate }: Load): Promise<Answers> {
  const latencies: number[] = [];
  let failed = 0;
  let running = 0;
  let until = Number.POSITIVE_INFINITY;
  const idle: Connection[] = [];
  const { promise: finished, resolve: finish, reject: fail } = Promise.withResolvers<void>();

  const begin = (connection: Connection) => {
    running += 1;
    connection.ask();
  };
  const answered = (connection: Connection, isOk: boolean) => {
    const nowMs = performance.now();
    latencies.push(nowMs - connection.askedMs);
    if (!isOk) failed += 1;
    running -= 1;
    if (rate === undefined && nowMs < until) begin(connection);
    else idle.push(connection);
    if (nowMs >= until && running === 0) finish();
  };
  const all = await Promise.all(
    Array.from({ length: connections }, () => Connection.open(port, answered, fail)),
  );
  try {
    const from = performance.now();
    until = from + seconds * 1_000;
    if (rate === undefined) for (const connection of all) begin(connection);
    else {
      idle.push(...all);
      for (let sent = 0; performance.now() < until;) {
        const due = Math.floor(((performance.now() - from) / 1_000) * rate);
        for (; sent < due && idle.length > 0; sent++) begin(idle.pop() as Connection);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      if (running === 0) finish();
    }
    await finished;
    const tookSeconds = (performance.now() - from) / 1_000;
    latencies.sort((a, b) => a - b);
    const quantile = (q: number) => latencies[Math.floor(latencies.length * q)] ?? Number.NaN;
    return {
      count: latencies.length,
      perSecond: latencies.length / tookSeconds,
      failed,
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
    };
  } finally {
    for (const connection of all) connection.close();
  }
}

class Connection {
  askedMs = 0;
  readonly #socket: Socket;
  readonly #answered: (connection: Connection, isOk: boolean) => void;
  readonly #request = Buffer.from(REQUEST);
  #text = '';
  /** Bytes of an answer with status 200. */
  #knownBytes = 0;
  #isClosed = false;

  private constructor(
    port: number,
    answered: (connection: Connection, isOk: boolean) => void,
    fail: (error: Error) => void,
  ) {
    this.#answered = answered;
    const callback = (count: number, bytes: Uint8Array) => {
      this.#read(bytes as Buffer, count);
      return true;
    };
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      onread: { buffer: Buffer.alloc(READ_BYTES), callback },
    });
    this.#socket.setNoDelay(true);
    this.#socket.on('error', fail);
    this.#socket.on('close', () => {
      if (!this.#isClosed) fail(new Error('the server closed the connection'));
    });
  }

  static async open(
    port: number,
    answered: (connection: Connection, isOk: boolean) => void,
    fail: (error: Error) => void,
  ): Promise<Connection> {
    const connection = new Connection(port, answered, fail);
    await new Promise<void>((resolve, reject) =>
      connection.#socket.once('connect', resolve).once('error', reject),
    );
    return connection;
  }

  ask(): void {
    for (const at of IDS_AT) putHex(this.#request, at);
    this.askedMs = performance.now();
    this.#socket.write(this.#request);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #read(bytes: Buffer, count: number): void {
    if (count === this.#knownBytes && this.#text === '') {
      this.#answered(this, bytes[STATUS_AT] === TWO);
      return;
    }
    this.#text += bytes.toString('latin1', 0, count);
    const head = this.#text.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#text);
    const isWhole = length
      ? this.#text.length >= head + 4 + Number(length[1])
      : this.#text.endsWith('0\r\n\r\n');
    if (!isWhole) return;
    const isOk = this.#text.startsWith('HTTP/1.1 200');
    if (isOk) this.#knownBytes = this.#text.length;
    this.#text = '';
    this.#answered(this, isOk);
  }
}

const DIGITS = Buffer.from('0123456789abcdef');

/** Eight random hex digits, in place. */
function putHex(bytes: Buffer, at: number): void {
  let word = (Math.random() * 2 ** 32) | 0;
  for (let i = 0; i < 8; i++) {
    bytes[at + i] = DIGITS[word & 15] as number;
    word >>>= 4;
  }
}
