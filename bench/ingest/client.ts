/**
 * Sends `spans` spans of pre-encoded OTLP to `url`, `connections` requests at once, and says how many were acknowledged.
 * Its own process, so that what sending costs is counted apart. Options as one JSON argument.
 */
import { connect, type ClientHttp2Session } from 'node:http2';
import { Pool } from 'undici';
import { makeBodies, type OtlpBody, type Shape } from './otlp-bodies.ts';

export interface ClientOptions {
  readonly url: string;
  /** Default: OTLP over HTTP. */
  readonly protocol?: 'http' | 'grpc';
  readonly shape: Shape;
  readonly spans: number;
  readonly spansPerBody: number;
  readonly connections: number;
  /** Added to what makes ids unique. */
  readonly salt: number;
  readonly startUnixNano: string;
  /** How much time the spans stand for. */
  readonly overSeconds: number;
  /** 0: as fast as it goes. */
  readonly spansPerSecond: number;
}

const STREAMS_PER_SESSION = 16;
const WINDOW_BYTES = 16 * 1024 * 1024;

const options = JSON.parse(process.argv[2] as string) as ClientOptions;
const bodies = makeBodies(options.shape, options.connections * 2, options.spansPerBody);
const idle = [...bodies];
const sender = options.protocol === 'grpc' ? overGrpc(options.url) : overHttp(options.url);
const perBody = bodies[0]?.spans as number;
const total = Math.ceil(options.spans / perBody);
const spread = (options.overSeconds * 1e9) / total;
const start = Number(options.startUnixNano);
let sent = 0;
let acknowledged = 0;
let refused = 0;

// What making the bodies cost is not what sending costs.
process.stdout.write(`${JSON.stringify({ ready: true, cpu: process.cpuUsage() })}\n`);
const began = performance.now();
await Promise.all(Array.from({ length: options.connections }, run));
const seconds = (performance.now() - began) / 1000;
await sender.close();
process.stdout.write(`${JSON.stringify({ acknowledged, refused, seconds, cpu: process.cpuUsage() })}\n`);

async function run(): Promise<void> {
  while (sent < total) {
    const number = sent++;
    if (options.spansPerSecond > 0) {
      const due = (number * perBody * 1000) / options.spansPerSecond - (performance.now() - began);
      if (due > 0) await new Promise((done) => setTimeout(done, due));
    }
    const body = idle.pop();
    if (!body) throw new Error('no body is free');
    body.refresh(options.salt * 2 ** 32 + number, start + number * spread, spread);
    if (await sender.send(body)) acknowledged += body.spans;
    else refused += body.spans;
    idle.push(body);
  }
}

interface Sender {
  /** False: refused. */
  readonly send: (body: OtlpBody) => Promise<boolean>;
  readonly close: () => Promise<void>;
}

function overHttp(url: string): Sender {
  const pool = new Pool(url, { connections: options.connections, pipelining: 1 });
  return {
    async send(body) {
      const answer = await pool.request({
        method: 'POST',
        path: '/v1/traces',
        headers: { 'content-type': 'application/x-protobuf' },
        body: body.bytes,
      });
      await answer.body.dump();
      return answer.statusCode === 200;
    },
    close: () => pool.close(),
  };
}

/** A unary call a stream, several streams a connection, as gRPC's clients do. */
function overGrpc(url: string): Sender {
  const sessions: ClientHttp2Session[] = [];
  for (let at = 0; at < options.connections; at += STREAMS_PER_SESSION) {
    const session = connect(url, { settings: { initialWindowSize: WINDOW_BYTES } });
    session.on('error', () => {});
    sessions.push(session);
  }
  let next = 0;
  return {
    send: (body) =>
      new Promise((resolve, reject) => {
        const stream = (sessions[next++ % sessions.length] as ClientHttp2Session).request({
          ':method': 'POST',
          ':path': '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
          'content-type': 'application/grpc',
          te: 'trailers',
        });
        let status: unknown;
        stream.on('response', (headers) => (status = headers['grpc-status']));
        stream.on('trailers', (trailers) => (status = trailers['grpc-status']));
        stream.on('error', reject);
        stream.on('close', () => resolve(status === '0'));
        stream.resume();
        const prefix = Buffer.alloc(5);
        prefix.writeUInt32BE(body.bytes.length, 1);
        stream.write(prefix);
        stream.end(body.bytes);
      }),
    close: async () => {
      await Promise.all(sessions.map((session) => new Promise<void>((done) => session.close(done))));
    },
  };
}
