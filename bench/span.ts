/**
 * What one span costs: start, five attributes (three strings, one of them 36 characters; an int; a bool), end. Ours and peers,
 * every variant in a process of its own, in turn within each round: `node bench/span.ts [rounds] [part of a name]`, default 7 rounds.
 *
 * CPU is the whole process's, from the first span to the last one's delivery where the process itself delivers. Beside each figure
 * stands how many times the two clock reads it is that no span can do without, measured in the same process.
 * What the agent adds to ours is bench/agent.ts.
 *
 * dd-trace weighs 100 MB and so is no dependency; it is measured where `npm i --no-save dd-trace` has put it.
 */
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Attributes, Tracer } from '@opentelemetry/api';
import { randomWord } from '../function/span/ids.ts';
import { mapFile } from '../function/span/journal-map.ts';
import { HEADER, DEFAULT_SEGMENT_COUNT } from '../function/span/journal-format.ts';
import { startTracing } from '../function/span/tracing.ts';
import {
  conditions,
  median,
  messageOf,
  REFERENCE_YARDSTICK_NS,
  runVariant,
  spawnBeside,
  spread,
  table,
  variantHere,
  YARDSTICK,
  yardstickNs,
} from './side-by-side.ts';

/** A way to make spans: each run() makes one. */
interface Variant {
  readonly run: () => void;
  /** How many spans; a slow peer gets fewer, so that a round does not last for ever. */
  readonly spans?: number;
  /** Called after every burst. */
  readonly between?: () => void;
  /** Delivers what is still in the process, and counts as the spans' cost. */
  readonly flush?: () => Promise<void>;
  /** After the measurement. */
  readonly stop?: () => Promise<void> | void;
}

const VARIANTS: Readonly<Record<string, (folder: string) => Promise<Variant> | Variant>> = {
  [YARDSTICK]: () => ({ run: twoClockReads }),
  'clocks and ids': () => ({ run: clocksAndIds }),
  'hand-written span, mapped': (folder) => handWritten(folder),
  'spoor, mapped': (folder) => ours(folder, 'map', allAtStart),
  'spoor, mapped, attributes one by one': (folder) => ours(folder, 'map', oneByOne),
  'spoor, mapped, no attributes': (folder) => ours(folder, 'map', bare),
  'spoor, writes': (folder) => ours(folder, 'write', allAtStart),
  'spoor, writes, attributes one by one': (folder) => ours(folder, 'write', oneByOne),
  'OpenTelemetry SDK, no-op processor': () => openTelemetry('noop'),
  'OpenTelemetry SDK, batch + OTLP': () => openTelemetry('batch'),
  'jaeger-client, UDP': () => jaegerClient(),
  'dd-trace': () => ddTrace(),
};
const REFERENCE = 'spoor, mapped';

const WARM_UP = 60_000;
const SPANS = 300_000;
const PEER_SPANS = 60_000;
/** A process makes spans by requests, not a hundred thousand within one tick; a queue of 2,048 could not take those. */
const BURST = 400;

interface Cost {
  readonly wallNs: number;
  readonly cpuNs: number;
  readonly yardstickNs: number;
}

/** An id of its own for each span, flat as the HTTP parser makes them: what repeats could be written in eight bytes. */
const ids = Array.from({ length: 1024 }, () => Buffer.from(crypto.randomUUID()).toString('latin1'));
let lastId = 0;

function nextId(): string {
  return ids[lastId++ & 1023] as string;
}

/** Keeps the floor's work from being optimized away. */
let sink = 0;

if (process.argv[2] === 'sink') await receive();
else if (variantHere !== undefined) console.log(JSON.stringify(await measure(variantHere)));
else await compare(Number(process.argv[2] ?? 7), process.argv[3] ?? '');

async function compare(rounds: number, only: string): Promise<void> {
  const names = Object.keys(VARIANTS).filter(
    (name) => name.includes(only) && (name !== 'dd-trace' || isThere('dd-trace')),
  );
  const costs = new Map<string, Cost[]>(names.map((name) => [name, []]));
  const receiver = spawnBeside(import.meta.filename, ['sink']);
  try {
    const { http, udp } = await messageOf<{ http: number; udp: number }>(receiver);
    const env = { SPOOR_BENCH_HTTP: String(http), SPOOR_BENCH_UDP: String(udp) };
    for (let round = 0; round < rounds; round++) {
      for (const [name, list] of costs) list.push(await runVariant<Cost>(import.meta.filename, name, env));
    }
  } finally {
    receiver.kill();
  }
  const reference = costs.get(REFERENCE);
  console.log(`ns per span, median [min..max] of ${rounds} rounds; ${conditions()}`);
  console.log(
    table([
      [
        'variant',
        'CPU',
        'wall',
        '× two clock reads',
        `at ${REFERENCE_YARDSTICK_NS} ns for two`,
        `× ${REFERENCE}`,
      ],
      ...[...costs].map(([name, list]) => {
        const cpu = list.map((cost) => cost.cpuNs);
        const times = list.map((cost) => cost.cpuNs / cost.yardstickNs);
        // Round by round: the two stood beside each other in time.
        const against = list.map((cost, round) => cost.cpuNs / (reference?.[round]?.cpuNs ?? Number.NaN));
        return [
          name,
          spread(cpu),
          spread(list.map((cost) => cost.wallNs)),
          spread(times, 1),
          (median(times) * REFERENCE_YARDSTICK_NS).toFixed(0),
          median(against).toFixed(2),
        ];
      }),
    ]),
  );
  const all = [...costs.values()].flat().map((cost) => cost.yardstickNs);
  console.log(`${YARDSTICK}, beside each measurement: ${spread(all)} ns`);
  if (!isThere('dd-trace')) console.log('dd-trace is not installed: npm i --no-save dd-trace');
}

async function measure(name: string): Promise<Cost> {
  const create = VARIANTS[name];
  if (!create) throw new Error(`cannot measure [${name}]: there is no such variant`);
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'spoor-bench-'));
  try {
    const variant = await create(folder);
    const spans = variant.spans ?? SPANS;
    await repeat(variant, WARM_UP);
    await variant.flush?.();
    const yardstick = yardstickNs();
    const cpu = process.cpuUsage();
    const from = performance.now();
    await repeat(variant, spans);
    await variant.flush?.();
    const wallMs = performance.now() - from;
    const { user, system } = process.cpuUsage(cpu);
    await variant.stop?.();
    return {
      wallNs: (wallMs * 1e6) / spans,
      cpuNs: ((user + system) * 1e3) / spans,
      yardstickNs: (yardstick + yardstickNs()) / 2,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function repeat({ run, between }: Variant, spans: number): Promise<void> {
  for (let made = 0; made < spans; made += BURST) {
    for (let i = 0; i < BURST; i++) run();
    between?.();
    await setImmediate();
  }
}

// ---- ours

function ours(folder: string, transport: 'map' | 'write', make: (tracer: Tracer) => void): Variant {
  const journal = join(folder, 'j');
  const tracing = startTracing({ journal, transport, resource: { 'service.name': 'bench' } });
  if (tracing.failure) throw tracing.failure;
  const tracer = tracing.tracer('bench', '1.0.0');
  const fd = openSync(journal, 'r+');
  const sequences = new Uint32Array(DEFAULT_SEGMENT_COUNT);
  let bursts = 0;
  return {
    run: () => make(tracer),
    // As the agent would, so that the steady state is measured and not a filling up.
    between() {
      if (bursts++ % 8 !== 0) return;
      readSync(fd, sequences, 0, sequences.byteLength, HEADER.sequence);
      const newest = Math.max(...sequences);
      const drained = sequences.map((sequence) => (sequence === newest ? 0 : sequence));
      writeSync(fd, drained, 0, drained.byteLength, HEADER.drained);
    },
    stop() {
      closeSync(fd);
      if (tracing.dropped.spans > 0)
        throw new Error(`cannot compare: ${tracing.dropped.spans} spans were dropped`);
    },
  };
}

function allAtStart(tracer: Tracer): void {
  const span = tracer.startSpan('greet', { attributes: fiveAttributes() });
  span.end();
}

function fiveAttributes(): Attributes {
  return {
    'http.request.method': 'POST',
    'url.path': '/greetings/today',
    'faas.invocation_id': nextId(),
    'http.response.status_code': 200,
    'faas.coldstart': false,
  };
}

function oneByOne(tracer: Tracer): void {
  const span = tracer.startSpan('greet');
  span.setAttribute('http.request.method', 'POST');
  span.setAttribute('url.path', '/greetings/today');
  span.setAttribute('faas.invocation_id', nextId());
  span.setAttribute('http.response.status_code', 200);
  span.setAttribute('faas.coldstart', false);
  span.end();
}

function bare(tracer: Tracer): void {
  tracer.startSpan('greet').end();
}

// ---- floors

function twoClockReads(): void {
  sink += performance.now() - performance.now();
}

function clocksAndIds(): void {
  const from = performance.now();
  for (let i = 0; i < 6; i++) sink ^= randomWord();
  sink += performance.now() - from;
}

/** What somebody would write for these five attributes and nothing else: constant key ids, no limits, no API, no types. */
function handWritten(folder: string): Variant {
  const bytes = 4 * 1024 * 1024;
  const path = join(folder, 'h');
  const fd = openSync(path, 'w+');
  writeSync(fd, Buffer.alloc(bytes));
  const map = mapFile(fd, bytes);
  if (!map) throw new Error('cannot map a file: koffi does not load here');
  const u32 = new Int32Array(map.buffer);
  const f64 = new Float64Array(map.buffer);
  const u8 = Buffer.from(map.buffer) as Buffer & {
    latin1Write(text: string, at: number, length: number): number;
  };
  let at = 0;
  const put = (text: string, to: number) => {
    for (let i = 0; i < text.length; i++) u8[to + i] = text.charCodeAt(i);
  };
  return {
    run() {
      const s0 = randomWord();
      const s1 = randomWord();
      let w = at >> 2;
      f64[(at + 8) >> 3] = performance.now();
      u32[w + 4] = randomWord();
      u32[w + 5] = randomWord();
      u32[w + 6] = randomWord();
      u32[w + 7] = randomWord();
      u32[w + 8] = s0;
      u32[w + 9] = s1;
      u32[w + 12] = 1;
      u32[w + 13] = 4;
      put('POST', at + 56);
      u32[w + 15] = 16;
      put('/greetings/today', at + 64);
      u32[w + 20] = 36;
      u8.latin1Write(nextId(), at + 84, 36);
      u32[w + 31] = 200;
      u32[w + 32] = 0;
      Atomics.store(u32, w, (136 << 8) | 4);
      at += 136;
      w = at >> 2;
      u32[w + 2] = s0;
      u32[w + 3] = s1;
      f64[(at + 16) >> 3] = performance.now();
      Atomics.store(u32, w, (32 << 8) | 8);
      at += 32;
      if (at + 512 > bytes) at = 0;
    },
    stop: () => closeSync(fd),
  };
}

// ---- peers

async function openTelemetry(processor: 'noop' | 'batch'): Promise<Variant> {
  const { BatchSpanProcessor, NoopSpanProcessor, TracerProvider } = await import('@opentelemetry/sdk-trace');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
  const url = `http://127.0.0.1:${process.env['SPOOR_BENCH_HTTP']}/v1/traces`;
  const spanProcessor =
    processor === 'noop'
      ? new NoopSpanProcessor()
      : new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url }) });
  const provider = new TracerProvider({ spanProcessors: [spanProcessor] });
  const tracer = provider.getTracer('bench', '1.0.0');
  return {
    run: () => allAtStart(tracer),
    spans: PEER_SPANS,
    flush: () => provider.forceFlush(),
    stop: () => provider.shutdown(),
  };
}

interface JaegerTracer {
  startSpan(name: string, fields: { tags: Record<string, unknown> }): { finish(): void };
  close(done: () => void): void;
}

async function jaegerClient(): Promise<Variant> {
  const { initTracer } = createRequire(import.meta.url)('jaeger-client') as {
    initTracer: (config: object, options: object) => JaegerTracer;
  };
  const tracer = initTracer(
    {
      serviceName: 'bench',
      sampler: { type: 'const', param: 1 },
      reporter: { agentHost: '127.0.0.1', agentPort: Number(process.env['SPOOR_BENCH_UDP']) },
    },
    {},
  );
  return {
    run: () => tracer.startSpan('greet', { tags: fiveAttributes() }).finish(),
    spans: PEER_SPANS,
    stop: () => new Promise((done) => tracer.close(done)),
  };
}

interface DatadogTracer {
  init(options: object): DatadogTracer;
  startSpan(name: string, fields: { tags: Record<string, unknown> }): { finish(): void };
}

async function ddTrace(): Promise<Variant> {
  const tracer = (createRequire(import.meta.url)('dd-trace') as DatadogTracer).init({
    url: `http://127.0.0.1:${process.env['SPOOR_BENCH_HTTP']}`,
    plugins: false,
    startupLogs: false,
    telemetry: { enabled: false },
    remoteConfig: { enabled: false },
  });
  return {
    run: () => tracer.startSpan('greet', { tags: fiveAttributes() }).finish(),
    spans: PEER_SPANS,
    // It has no flush of its own: what it writes every two seconds is its spans' cost too.
    flush: () => sleep(2_500),
  };
}

function isThere(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

// ---- the other side of the peers, a process of its own

async function receive(): Promise<void> {
  const server: Server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.setHeader('content-type', 'application/json').end('{}'));
  });
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
  socket.bind(0, '127.0.0.1');
  server.listen(0, '127.0.0.1');
  await Promise.all([
    new Promise((done) => server.once('listening', done)),
    new Promise((done) => socket.once('listening', done)),
  ]);
  process.send?.({ http: (server.address() as AddressInfo).port, udp: socket.address().port });
  process.once('disconnect', () => process.exit(0));
}
