/**
 * Sends `spans` spans of pre-encoded OTLP to `url`, `connections` requests at once, and says how many were acknowledged.
 * Its own process, so that what sending costs is counted apart. Options as one JSON argument.
 */
import { Pool } from 'undici';
import { makeBodies, type Shape } from './otlp-bodies.ts';

export interface ClientOptions {
  readonly url: string;
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

const options = JSON.parse(process.argv[2] as string) as ClientOptions;
const bodies = makeBodies(options.shape, options.connections * 2, options.spansPerBody);
const idle = [...bodies];
const pool = new Pool(options.url, { connections: options.connections, pipelining: 1 });
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
await pool.close();
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
    const answer = await pool.request({
      method: 'POST',
      path: '/v1/traces',
      headers: { 'content-type': 'application/x-protobuf' },
      body: body.bytes,
    });
    await answer.body.dump();
    if (answer.statusCode === 200) acknowledged += body.spans;
    else refused += body.spans;
    idle.push(body);
  }
}
