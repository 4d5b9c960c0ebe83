/**
 * Calls a function through the real platform while what receives its spans misbehaves: a collector that never answers, answers
 * late, answers 500, and a spool whose disk is full. The callers must not feel it, and afterwards every span must be there, or be
 * counted among the dropped.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync, appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPlatformPart } from '../../cli/parts/platform.ts';
import { placesOf } from '../../cli/settings.ts';
import { start as startAgent, type Agent } from '../../function/agent/agent.ts';
import { OtlpSink } from '../../function/agent/test/otlp-sink.ts';
import { silentLog } from '../../server/log.ts';
import { spoor } from '../support/spoor.ts';

export interface DeliveryOptions {
  /** Calls in each condition. */
  readonly calls: number;
  readonly atOnce: number;
  /** A folder on a file system of its own that is small enough to be filled; undefined: that condition is left out. */
  readonly smallDisk: string | undefined;
}

export interface ConditionResult {
  readonly condition: string;
  readonly calls: number;
  /** Calls that were not answered 200. */
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the function's own spans, one per call. */
  readonly arrived: number;
  readonly repeated: number;
  /** As the agent and the journals count them, all services together. */
  readonly droppedSpans: number;
  /** What the agent could not hand over or write while it lasted. */
  readonly failedRequests: number;
  readonly wasDiskFull: boolean;
}

const SLOW_MS = 2_000;
const SETTLE_MS = 120_000;
const FUNCTION = 'hello';

interface Stage {
  readonly sink: OtlpSink;
  readonly smallDisk: string | undefined;
}

/** Each makes it bad, and returns what makes it good again. */
const CONDITIONS: Readonly<Record<string, (stage: Stage) => () => void>> = {
  'a healthy collector': () => () => undefined,
  'a collector that never answers'({ sink }) {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    // Given up with 503, as its connection would be by a proxy: the agent's own time-out is 15 s.
    sink.mood = () => promise.then(() => ({ status: 503 }));
    return () => {
      sink.mood = () => undefined;
      resolve(undefined);
    };
  },
  'a slow collector'({ sink }) {
    sink.mood = async () => {
      await sleep(SLOW_MS);
      return undefined;
    };
    return () => {
      sink.mood = () => undefined;
    };
  },
  'a collector that answers 500'({ sink }) {
    sink.mood = () => ({ status: 500 });
    return () => {
      sink.mood = () => undefined;
    };
  },
  'a full disk'({ sink, smallDisk }) {
    sink.mood = () => ({ status: 503 });
    const ballast = join(smallDisk as string, 'ballast');
    fill(ballast);
    return () => {
      rmSync(ballast);
      sink.mood = () => undefined;
    };
  },
};

export async function runDelivery(options: DeliveryOptions): Promise<ConditionResult[]> {
  const data = mkdtempSync(join(tmpdir(), 'spoor-delivery-'));
  const places = placesOf(data);
  mkdirSync(places.journals, { recursive: true });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => {
    for (const path of [data, places.journals, places.run]) rmSync(path, { recursive: true, force: true });
  });
  const sink = stack.use(await OtlpSink.start());
  const agent = stack.use(
    await startAgent({
      journalDirs: [places.journals],
      spoolDir: join(options.smallDisk ?? data, 'agent-spool'),
      collectorUrl: sink.url,
    }),
  );
  const platform = stack.use(
    await startPlatformPart(
      { data, host: '127.0.0.1', routerPort: 0, internalPort: 0, kafka: { brokers: [] } },
      silentLog(),
    ),
  );
  const { router, internal } = platform.endpoints as { router: string; internal: string };
  await deploy(internal);
  await callMany(router, 'warm', 200, options.atOnce);
  await settle(agent);

  const results: ConditionResult[] = [];
  for (const [condition, spoil] of Object.entries(CONDITIONS)) {
    if (condition === 'a full disk' && options.smallDisk === undefined) continue;
    results.push(await measure(condition, spoil, { sink, agent, router, options }));
  }
  return results;
}

async function measure(
  condition: string,
  spoil: (stage: Stage) => () => void,
  {
    sink,
    agent,
    router,
    options,
  }: { sink: OtlpSink; agent: Agent; router: string; options: DeliveryOptions },
): Promise<ConditionResult> {
  const before = agent.status();
  sink.spans.length = 0;
  const mend = spoil({ sink, smallDisk: options.smallDisk });
  let wasDiskFull = false;
  const watch = setInterval(() => (wasDiskFull ||= agent.status().isDiskFull), 20);
  const calls = await callMany(router, condition, options.calls, options.atOnce);
  if (condition !== 'a healthy collector') await sleep(500);
  clearInterval(watch);
  mend();
  await settle(agent);
  const after = agent.status();
  const own = sink.spans.filter(
    (span) =>
      span.resource['faas.name'] === FUNCTION && span.parentSpanId !== '' && 'call' in span.attributes,
  );
  const distinct = new Set(own.map((span) => span.spanId)).size;
  const droppedOf = (status: typeof before) =>
    status.dropped.spans + status.journalDropped.spans + status.rejected.spans + status.overflowedSpans;
  return {
    condition,
    calls: options.calls,
    errors: calls.errors,
    p50Ms: calls.p50Ms,
    p99Ms: calls.p99Ms,
    arrived: distinct,
    repeated: own.length - distinct,
    droppedSpans: droppedOf(after) - droppedOf(before),
    failedRequests: after.collector.failedRequests - before.collector.failedRequests,
    wasDiskFull,
  };
}

async function deploy(internal: string): Promise<void> {
  const code = join(import.meta.dirname, 'hello.js');
  for (const verb of [
    ['env', 'create', '--name', 'node', '--image', 'ghcr.io/fission/node-env'],
    [
      'fn',
      'create',
      '--name',
      FUNCTION,
      '--env',
      'node',
      '--code',
      code,
      '--url',
      `/${FUNCTION}`,
      '--method',
      'GET',
    ],
  ]) {
    const done = await spoor(verb, { env: { SPOOR_SERVER: internal } });
    if (done.exitCode !== 0) throw new Error(`spoor ${verb.join(' ')}: ${done.stderr}`);
  }
}

async function callMany(router: string, call: string, count: number, atOnce: number) {
  const latencies: number[] = [];
  let errors = 0;
  let left = count;
  const url = `${router}/${FUNCTION}?call=${encodeURIComponent(call)}`;
  const caller = async () => {
    while (left-- > 0) {
      const from = performance.now();
      const isOk = await fetch(url).then(
        async (response) => (await response.text()) === 'hello' && response.status === 200,
        () => false,
      );
      latencies.push(performance.now() - from);
      if (!isOk) errors += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, caller));
  latencies.sort((a, b) => a - b);
  const quantile = (q: number) => latencies[Math.floor(latencies.length * q)] ?? Number.NaN;
  return { errors, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

/** Everything that was written is drained, and taken by the collector. */
async function settle(agent: Agent): Promise<void> {
  // The last spans end a moment after their answers are read.
  await sleep(300);
  await agent.drained();
  await agent.delivered(AbortSignal.timeout(SETTLE_MS));
}

function fill(path: string): void {
  writeFileSync(path, '');
  for (let bytes = 1024 * 1024; bytes >= 1;) {
    try {
      appendFileSync(path, Buffer.alloc(bytes));
    } catch {
      bytes >>= 1;
    }
  }
}
