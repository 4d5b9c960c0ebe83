/**
 * How fast what was kept is found: fills a store, asks each question many times with other parameters, alone and while spans
 * come in, and prints p50 / p95 beside the targets.
 *
 *   node bench/query.ts [--spans 1000000] [--shape jaeger|gas] [--runs 40] [--seconds 6] [--ingest 20000] [--data DIR]
 *
 * `--spans 1000000,10000000,50000000` asks at each of these sizes of one store as it grows, and prints how each answer grows with it
 * (fifty million: some minutes to fill, and 3 GB). A question is asked `--runs` times, or as often as goes into `--seconds`. `--data`
 * keeps the store, and uses it if it is there: then nothing is filled.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startCollector } from '../backend/collector/collector.ts';
import type { ChdbEngine } from '../backend/store/chdb-engine.ts';
import { openStore, type OpenStore } from '../backend/store/open-store.ts';
import { span } from '../backend/store/testing.ts';
import type { TimeRange } from '../backend/store/store.ts';
import { silentLog } from '../server/log.ts';
import type { ClientOptions } from './ingest/client.ts';
import type { Shape } from './ingest/otlp-bodies.ts';
import { bytesBelow, cpuSeconds, loadAverage, peakRss, Talker } from './ingest/processes.ts';
import { Filler, NANO_PER_SPAN } from './query/fill.ts';

const { values } = parseArgs({
  options: {
    spans: { type: 'string', default: '1000000' },
    shape: { type: 'string', default: 'jaeger' },
    runs: { type: 'string', default: '40' },
    seconds: { type: 'string', default: '6' },
    ingest: { type: 'string', default: '20000' },
    data: { type: 'string' },
  },
});
/** Of the store, each larger than the one before. */
const sizes = values.spans.split(',').map(Number);
const HOUR = 3_600_000_000_000n;
const folder = values.data ?? (await mkdtemp(join(tmpdir(), 'spoor-query-')));
const filled = existsSync(join(folder, 'chdb'));
async function main(): Promise<void> {
  try {
    await using store = await openStore({ dataDir: folder });
    console.log(`${values.shape} shape, ${availableParallelism()} cores, load ${loadAverage()}`);
    const end = Math.floor(Date.now() / 60_000) * 60_000 * 1e6;
    const [least = 0, most = 0] = [sizes[0], sizes.at(-1)];
    const filler = new Filler(store, values.shape as Shape, end - most * NANO_PER_SPAN, least);
    const bySize = new Map<number, Asked>();
    for (const spans of sizes) {
      if (!filled) await fillTo(store, filler, spans);
      const samples = await sample(store, spans);
      const alone = await askAll(store, samples);
      // What comes in meanwhile would make the next size another one.
      const busy = spans === most ? await askWhileIngesting(store, samples) : undefined;
      print(spans, alone, busy);
      printMemory(store);
      bySize.set(spans, alone);
    }
    if (sizes.length > 1) printGrowth(bySize);
  } finally {
    if (values.data === undefined) await rm(folder, { recursive: true, force: true });
  }
}

async function askWhileIngesting(store: OpenStore, samples: readonly Sample[]): Promise<Asked | undefined> {
  if (values.ingest === '0') return undefined;
  await using collector = await startCollector({ store: store.writer, httpPort: 0, log: silentLog() });
  const client = ingestInto(collector.url);
  const busy = await askAll(store, samples);
  await client.stop();
  return busy;
}

type Asked = ReadonlyMap<string, Answers>;

interface Answers {
  /** Sorted. */
  readonly ms: readonly number[];
  /** Of the engine per answer, and of what comes in meanwhile. */
  readonly cpuMs: number;
}

interface Question {
  readonly name: string;
  /** p50 and p95, ms; one alone is p50's. */
  readonly target: readonly [number, number?] | undefined;
  readonly ask: (store: OpenStore, sample: Sample) => Promise<unknown>;
}

interface Sample {
  readonly traceId: string;
  readonly spanId: string;
  readonly service: string;
  readonly operation: string;
  readonly attribute: readonly [string, string];
  readonly userId: string;
  /** Of the trace's second, and the hour up to it. */
  readonly near: TimeRange;
  readonly hour: TimeRange;
  /** A span that others link to. */
  readonly linked: { readonly traceId: string; readonly spanId: string };
  readonly largeTraceId: string;
}

const QUESTIONS: readonly Question[] = [
  { name: 'trace by id', target: [12, 25], ask: (store, { traceId }) => store.reader.trace(traceId) },
  {
    name: 'trace by id and time',
    target: [10, 20],
    ask: (store, { traceId, near }) => store.reader.trace(traceId, near),
  },
  {
    name: 'id that is not there',
    target: undefined,
    ask: (store, { traceId }) => store.reader.trace(`${traceId.slice(8)}00000000`),
  },
  {
    name: 'service, operation, duration, attribute; 1 h',
    target: [40, 80],
    ask: (store, { service, operation, attribute, hour }) =>
      store.reader.findTraceIds({
        range: hour,
        service,
        operation,
        minDurationNano: 1_000_000n,
        attributes: { [attribute[0]]: attribute[1] },
        limit: 20,
      }),
  },
  {
    name: 'the same, with summaries of what is found',
    target: undefined,
    ask: (store, { service, operation, attribute, hour }) =>
      store.reader.summaries({
        range: hour,
        service,
        operation,
        minDurationNano: 1_000_000n,
        attributes: { [attribute[0]]: attribute[1] },
        limit: 20,
      }),
  },
  {
    name: 'latest 20 traces of a service; 1 h, summaries',
    target: undefined,
    ask: (store, { service, hour }) =>
      store.reader.summaries({ range: hour, service, attributes: {}, limit: 20 }),
  },
  {
    name: 'rare attribute, any service; 1 h',
    target: [50, 100],
    ask: (store, { userId, hour }) =>
      store.reader.findTraceIds({ range: hour, attributes: { 'user.id': userId }, limit: 20 }),
  },
  { name: 'services', target: [10], ask: (store) => store.reader.services() },
  {
    name: 'operations of a service',
    target: [10],
    ask: (store, { service }) => store.reader.operations({ service }),
  },
  {
    name: 'rate, errors, duration by the minute; 1 h',
    target: [30],
    ask: (store, { service, operation, hour }) =>
      store.reader.red({ range: hour, service, operation, stepSeconds: 60 }),
  },
  {
    name: 'dependency edges; 1 h',
    target: [100],
    ask: (store, { hour }) => store.reader.dependencies(hour),
  },
  { name: 'links back from a span', target: [15], ask: (store, { linked }) => store.reader.linksTo(linked) },
  {
    name: 'a trace of 10,000 spans',
    target: [300],
    ask: (store, { largeTraceId }) => store.reader.trace(largeTraceId),
  },
];

const LARGE_TRACE = 'feed'.repeat(8);

async function fillTo(store: OpenStore, filler: Filler, spans: number): Promise<void> {
  const began = performance.now();
  await filler.to(spans);
  if (spans === sizes[0]) await writeLargeTrace(store, filler.startNano + (spans / 2) * NANO_PER_SPAN);
  // Counts the calls of all of it, as the store does by itself every few minutes.
  await store.reader.dependencies({ startUnixNano: 0n, endUnixNano: BigInt(Date.now()) * 2_000_000n });
  await settled(store);
  const [row] = await store.engine.rows(
    `SELECT count(), sum(rows) FROM system.parts WHERE active AND table = 'spans'`,
  );
  console.log(
    `filled in ${((performance.now() - began) / 1000).toFixed(0)} s: ${String(row?.[1])} spans in ${String(row?.[0])} parts`,
  );
}

async function writeLargeTrace(store: OpenStore, startNano: number): Promise<void> {
  const start = BigInt(Math.round(startNano));
  await store.writer.writeSpans(
    Array.from({ length: 10_000 }, (_, at) =>
      span({
        traceId: LARGE_TRACE,
        resource: { 'service.name': `service-${at % 20}` },
        startTimeUnixNano: start + BigInt(at) * 1_000n,
        endTimeUnixNano: start + BigInt(at) * 1_000n + 500_000n,
        attributes: { 'attribute.key.1': `value-${at % 1000}`, at: BigInt(at) },
      }),
    ),
  );
}

/** Until no merge is under way, a minute at most. */
async function settled(store: OpenStore): Promise<void> {
  for (let quiet = 0, tries = 0; quiet < 3 && tries < 60; tries += 1) {
    const [row] = await store.engine.rows('SELECT count() FROM system.merges');
    quiet = row?.[0] === '0' ? quiet + 1 : 0;
    await new Promise((done) => setTimeout(done, 1000));
  }
}

/** Parameters from the data itself, spread over it. */
async function sample(store: OpenStore, spans: number): Promise<readonly Sample[]> {
  const some = Math.max(1, Math.floor(spans / 10 / 400));
  const roots = await store.engine.rows(
    `SELECT lower(hex(trace_id)), lower(hex(span_id)), service, name, mapKeys(attributes)[1], mapValues(attributes)[1],
       attributes['user.id'], toUnixTimestamp64Nano(start)
     FROM spans WHERE parent_span_id = toFixedString('', 8) AND attributes['user.id'] != '' AND cityHash64(trace_id) % ${some} = 0
     ORDER BY cityHash64(span_id) LIMIT ${values.runs}`,
  );
  const linked = await store.engine.rows(
    `SELECT lower(hex(to_trace_id)), lower(hex(to_span_id)) FROM links ORDER BY cityHash64(from_span_id) LIMIT ${values.runs}`,
  );
  const [ends] = await store.engine.rows(
    `SELECT toUnixTimestamp64Nano(min(start)), toUnixTimestamp64Nano(max(start)) FROM spans`,
  );
  const [first, last] = ends as readonly [string, string];
  return roots.map((row, at) => {
    const [traceId, spanId, service, operation, key, value, userId, start] =
      row as readonly string[] as string[];
    const time = BigInt(start as string);
    // A whole hour of the data, if there is one.
    const end = [time, BigInt(first) + HOUR].reduce((a, b) => (a > b ? a : b));
    const hourEnd = end > BigInt(last) ? BigInt(last) : end;
    const [toTrace, toSpan] = (linked[at % Math.max(1, linked.length)] ?? [traceId, spanId]) as string[];
    return {
      traceId: traceId as string,
      spanId: spanId as string,
      service: service as string,
      operation: operation as string,
      attribute: [key as string, value as string],
      userId: userId as string,
      near: { startUnixNano: time - 60_000_000_000n, endUnixNano: time + 60_000_000_000n },
      hour: { startUnixNano: hourEnd - HOUR, endUnixNano: hourEnd },
      linked: { traceId: toTrace as string, spanId: toSpan as string },
      largeTraceId: LARGE_TRACE,
    };
  });
}

async function askAll(store: OpenStore, samples: readonly Sample[]): Promise<Asked> {
  const asked = new Map<string, Answers>();
  const pid = (store.engine as ChdbEngine).pid ?? 0;
  for (const { name, ask } of QUESTIONS) {
    for (const one of samples.slice(0, 2)) await ask(store, one);
    const ms: number[] = [];
    const cpuBefore = cpuSeconds(pid);
    const until = performance.now() + Number(values.seconds) * 1000;
    for (const one of samples) {
      const began = performance.now();
      await ask(store, one);
      ms.push(performance.now() - began);
      if (performance.now() > until) break;
    }
    const cpuMs = ((cpuSeconds(pid) - cpuBefore) * 1000) / ms.length;
    asked.set(name, { ms: ms.sort((a, b) => a - b), cpuMs });
  }
  return asked;
}

function ingestInto(url: string): { readonly stop: () => Promise<void> } {
  const spansPerSecond = Number(values.ingest);
  const options: ClientOptions = {
    url,
    shape: 'jaeger',
    spans: spansPerSecond * 3600,
    spansPerBody: 1000,
    connections: 8,
    salt: 77,
    startUnixNano: String(BigInt(Date.now()) * 1_000_000n),
    overSeconds: 3600,
    spansPerSecond,
  };
  const client = new Talker('client.ts', [JSON.stringify(options)]);
  return {
    async stop() {
      client.child.kill();
      await client[Symbol.asyncDispose]();
    },
  };
}

function print(spans: number, alone: Asked, busy: Asked | undefined): void {
  const header = ['', 'target', 'alone', 'CPU ms', `${values.ingest} spans/s coming in`, 'ratio of p50', 'n'];
  const rows = QUESTIONS.map(({ name, target }) => {
    const own = alone.get(name);
    const other = busy?.get(name);
    const ratio = own && other ? (at(other.ms, 0.5) / at(own.ms, 0.5)).toFixed(2) : '-';
    const cpu = own?.cpuMs.toFixed(0) ?? '-';
    return [name, target?.join(' / ') ?? '', cell(own), cpu, cell(other), ratio, String(own?.ms.length ?? 0)];
  });
  console.log(`${spans} spans; ms, p50 / p95; load ${loadAverage()}`);
  printTable([header, ...rows]);
}

function printGrowth(bySize: ReadonlyMap<number, Asked>): void {
  console.log('How each grows; ms, p50 / p95, alone');
  printTable([
    ['', ...sizes.map((spans) => `${spans / 1e6} M`), 'p50, last to first'],
    ...QUESTIONS.map(({ name }) => {
      const answers = sizes.map((spans) => bySize.get(spans)?.get(name));
      const [first, last] = [answers[0], answers.at(-1)].map((one) => at(one?.ms ?? [], 0.5));
      return [name, ...answers.map(cell), ((last ?? NaN) / (first ?? NaN)).toFixed(2)];
    }),
  ]);
}

function printTable([header = [], ...rows]: readonly (readonly string[])[]): void {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  console.log([line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n'));
}

function printMemory(store: OpenStore): void {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  const { pid = 0 } = store.engine as ChdbEngine;
  console.log(
    `peak RSS of the engine ${mb(peakRss(pid))}, of this process ${mb(peakRss(process.pid))}; on disk ${mb(bytesBelow(folder))}`,
  );
}

function cell(answers: Answers | undefined): string {
  return answers ? `${at(answers.ms, 0.5).toFixed(1)} / ${at(answers.ms, 0.95).toFixed(1)}` : '-';
}

function at(sorted: readonly number[], quantile: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? NaN;
}

await main();
