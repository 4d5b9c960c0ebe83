/**
 * The load generator: a program of its own, so that its CPU is counted apart. Told what to do by one JSON argument (`Load`), it
 * answers with one JSON line (`LoadResult`). It keeps `connections` sockets open, has one request under way on each, and sends
 * the next as soon as an answer is complete (a closed loop).
 *
 * It reads just enough of HTTP/1.1 to know where an answer ends: the status, Content-Length, or the last chunk.
 */
import { connect, type Socket } from 'node:net';

export interface Load {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** 0: GET without a body. */
  readonly bodyBytes: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Answers by status. 0 counts connections that broke. */
  readonly statuses: Readonly<Record<string, number>>;
}

const CRLF2 = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

async function run(load: Load): Promise<LoadResult> {
  const request = requestOf(load);
  const latencies: number[] = [];
  const statuses: Record<string, number> = {};
  let measuring = false;
  let stopping = false;
  const count = (status: number, ms: number) => {
    if (!measuring) return;
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (status !== 0) latencies.push(ms);
  };
  const clients = Array.from(
    { length: load.connections },
    () => new Client(load, request, count, () => stopping),
  );
  await sleep(load.warmUpMs);
  measuring = true;
  // How the runner knows when to read the clocks of CPU.
  process.stderr.write('measuring\n');
  const from = performance.now();
  await sleep(load.durationMs);
  measuring = false;
  const seconds = (performance.now() - from) / 1_000;
  process.stderr.write('measured\n');
  stopping = true;
  for (const client of clients) client.close();
  latencies.sort((a, b) => a - b);
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  return {
    requests: latencies.length,
    seconds,
    perSecond: latencies.length / seconds,
    p50Ms: at(0.5) ?? Number.NaN,
    p95Ms: at(0.95) ?? Number.NaN,
    p99Ms: at(0.99) ?? Number.NaN,
    maxMs: latencies.at(-1) ?? Number.NaN,
    statuses,
  };
}

class Client {
  readonly #load: Load;
  readonly #request: Buffer;
  readonly #count: (status: number, ms: number) => void;
  readonly #isStopping: () => boolean;
  #socket: Socket | undefined;
  #sentAt = 0;
  #head: Buffer | undefined;
  #status = 0;
  /** Bytes of the body still to come; -1: chunked. */
  #left = 0;
  #tail: Buffer = Buffer.alloc(0);

  constructor(
    load: Load,
    request: Buffer,
    count: (status: number, ms: number) => void,
    isStopping: () => boolean,
  ) {
    this.#load = load;
    this.#request = request;
    this.#count = count;
    this.#isStopping = isStopping;
    this.#connect();
  }

  close(): void {
    this.#socket?.destroy();
  }

  #connect(): void {
    const socket = connect({ host: this.#load.host, port: this.#load.port, noDelay: true });
    this.#socket = socket;
    this.#head = undefined;
    this.#status = 0;
    socket.on('connect', () => this.#send());
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#isStopping()) return;
      // An answer that closes its connection is complete; anything else is a failure.
      this.#count(0, 0);
      setTimeout(() => this.#connect(), 10);
    });
  }

  #send(): void {
    this.#sentAt = performance.now();
    this.#socket?.write(this.#request);
  }

  #read(chunk: Buffer): void {
    let rest = chunk;
    if (this.#status === 0) {
      const bytes = this.#head ? Buffer.concat([this.#head, chunk]) : chunk;
      const end = bytes.indexOf(CRLF2);
      if (end < 0) {
        this.#head = bytes;
        return;
      }
      this.#head = undefined;
      const head = bytes.toString('latin1', 0, end);
      this.#status = Number(head.slice(9, 12));
      const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
      this.#left = length === undefined ? -1 : Number(length);
      this.#tail = Buffer.alloc(0);
      rest = bytes.subarray(end + 4);
    }
    if (this.#left >= 0) {
      this.#left -= rest.length;
      if (this.#left > 0) return;
    } else {
      this.#tail = this.#tail.length > 0 ? Buffer.concat([this.#tail, rest]) : rest;
      this.#tail = this.#tail.subarray(-LAST_CHUNK.length);
      if (!this.#tail.equals(LAST_CHUNK)) return;
    }
    this.#count(this.#status, performance.now() - this.#sentAt);
    this.#status = 0;
    if (!this.#isStopping()) this.#send();
  }
}

function requestOf({ host, port, path, bodyBytes }: Load): Buffer {
  const common = `${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n`;
  if (bodyBytes === 0) return Buffer.from(`GET ${common}\r\n`);
  return Buffer.concat([
    Buffer.from(
      `POST ${common}Content-Type: application/octet-stream\r\nContent-Length: ${bodyBytes}\r\n\r\n`,
    ),
    Buffer.alloc(bodyBytes, 'x'),
  ]);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

if (import.meta.main) console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '{}') as Load)));
