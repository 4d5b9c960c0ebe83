/**
 * What one span costs: start, five attributes (three strings, one of them 36 characters; an int; a bool), end. Every variant
 * runs in a process of its own, the variants in turn within each round, and the median of the rounds is printed with its
 * range: `node bench/span.ts [rounds]`, default 7.
 *
 * CPU is the whole process's. `floor` is what no tracer can go below: two clock reads and the ids. A reader marks the
 * journal's segments as drained while the spans are written, so the steady state is measured, not a filling up.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tracer } from '@opentelemetry/api';
import { randomWord } from '../function/span/ids.ts';
import { HEADER, DEFAULT_SEGMENT_COUNT } from '../function/span/journal-format.ts';
import { startTracing } from '../function/span/tracing.ts';

/** A way to make spans: each run() makes one. Peers go in here, under their own names. */
interface Variant {
  readonly run: () => void;
  /** Called every few thousand spans. */
  readonly drain?: () => void;
  readonly stop?: () => Promise<void> | void;
}

const VARIANTS: Readonly<Record<string, (folder: string) => Promise<Variant> | Variant>> = {
  floor: () => ({ run: clocksAndIds }),
  'spoor, mapped': (folder) => ours(folder, 'map', allAtStart),
  'spoor, mapped, attributes one by one': (folder) => ours(folder, 'map', oneByOne),
  'spoor, mapped, no attributes': (folder) => ours(folder, 'map', bare),
  'spoor, writes': (folder) => ours(folder, 'write', allAtStart),
  'spoor, writes, attributes one by one': (folder) => ours(folder, 'write', oneByOne),
};
const REFERENCE = 'spoor, mapped';

const WARM_UP = 200_000;
const SPANS = 300_000;
const DRAIN_EVERY = 2_000;

interface Cost {
  readonly wallNs: number;
  readonly cpuNs: number;
}

/** Keeps the floor's work from being optimized away. */
let sink = 0;

const only = process.env['SPOOR_BENCH_VARIANT'];
if (only === undefined) compare(Number(process.argv[2] ?? 7));
else console.log(JSON.stringify(await measure(only)));

function compare(rounds: number): void {
  const costs = new Map<string, Cost[]>(Object.keys(VARIANTS).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, list] of costs) {
      const output = execFileSync(process.execPath, [import.meta.filename], {
        env: { ...process.env, SPOOR_BENCH_VARIANT: name },
        encoding: 'utf8',
      });
      list.push(JSON.parse(output) as Cost);
    }
  }
  const reference = median((costs.get(REFERENCE) ?? []).map((cost) => cost.cpuNs));
  console.log(`ns per span, median [min..max] of ${rounds} rounds; Node ${process.version}`);
  for (const [name, list] of costs) {
    const cpu = list.map((cost) => cost.cpuNs);
    const wall = list.map((cost) => cost.wallNs);
    console.log(
      `${name.padEnd(40)} CPU ${spread(cpu).padEnd(20)} wall ${spread(wall).padEnd(20)} × ${(median(cpu) / reference).toFixed(2)}`,
    );
  }
}

async function measure(name: string): Promise<Cost> {
  const create = VARIANTS[name];
  if (!create) throw new Error(`cannot measure [${name}]: there is no such variant`);
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'spoor-bench-'));
  try {
    const variant = await create(folder);
    repeat(variant, WARM_UP);
    const cpu = process.cpuUsage();
    const from = performance.now();
    repeat(variant, SPANS);
    await variant.stop?.();
    const wallMs = performance.now() - from;
    const { user, system } = process.cpuUsage(cpu);
    return { wallNs: (wallMs * 1e6) / SPANS, cpuNs: ((user + system) * 1e3) / SPANS };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function repeat({ run, drain }: Variant, spans: number): void {
  for (let i = 1; i <= spans; i++) {
    run();
    if (i % DRAIN_EVERY === 0) drain?.();
  }
}

function ours(folder: string, transport: 'map' | 'write', make: (tracer: Tracer) => void): Variant {
  const journal = join(folder, 'j');
  const tracing = startTracing({ journal, transport, resource: { 'service.name': 'bench' } });
  if (tracing.failure) throw tracing.failure;
  const tracer = tracing.tracer('bench', '1.0.0');
  const fd = openSync(journal, 'r+');
  const sequences = new Uint32Array(DEFAULT_SEGMENT_COUNT);
  return {
    run: () => make(tracer),
    drain() {
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
  const span = tracer.startSpan('greet', {
    attributes: {
      'http.request.method': 'POST',
      'url.path': '/greetings/today',
      'faas.invocation_id': '3f1c2b9a-1111-4222-8333-123456789abc',
      'http.response.status_code': 200,
      'faas.coldstart': false,
    },
  });
  span.end();
}

function oneByOne(tracer: Tracer): void {
  const span = tracer.startSpan('greet');
  span.setAttribute('http.request.method', 'POST');
  span.setAttribute('url.path', '/greetings/today');
  span.setAttribute('faas.invocation_id', '3f1c2b9a-1111-4222-8333-123456789abc');
  span.setAttribute('http.response.status_code', 200);
  span.setAttribute('faas.coldstart', false);
  span.end();
}

function bare(tracer: Tracer): void {
  tracer.startSpan('greet').end();
}

function clocksAndIds(): void {
  const from = performance.now();
  for (let i = 0; i < 6; i++) sink ^= randomWord();
  sink += performance.now() - from;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function spread(values: readonly number[]): string {
  return `${Math.round(median(values))} [${Math.round(Math.min(...values))}..${Math.round(Math.max(...values))}]`;
}
