/**
 * The ledger: messages of which a fifth fail at some attempts, in batches of several sizes, dead-lettered and redriven; then
 * every message's sequence of attempts is read from the stored traces alone and compared with what was to happen.
 *
 *     node e2e/journey/ledger.ts --messages 10000 --kafka --shape links
 */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openStore } from '../../backend/store/open-store.ts';
import { placesOf } from '../../cli/settings.ts';
import { applyDirectory } from '../../cli/verbs/spec.ts';
import type { SpanData } from '../../function/span/span-data.ts';
import { startKafka } from '../kafka/brokers.ts';
import { spoorUp, type SpoorUp } from '../support/spoor.ts';
import { readJourneys, type Journey } from './read-journeys.ts';

export interface LedgerOptions {
  readonly messages: number;
  readonly kafka: boolean;
  readonly shape: 'parent' | 'links';
  readonly batchSizes?: readonly number[];
  readonly partitions?: number;
}

export interface LedgerResult {
  /** What was to happen, by message id: each attempt's outcome, in order. */
  readonly planned: ReadonlyMap<string, readonly string[]>;
  readonly journeys: ReadonlyMap<string, Journey>;
  readonly spans: readonly SpanData[];
  readonly redriven: number;
}

export const MAX_RETRIES = 3;
const FAILING = 0.2;
const PRODUCERS = 32;
const IDLE_TIMEOUT_MS = 600_000;
const TRACES_A_PAGE = 1_500;

export async function runLedger(options: LedgerOptions): Promise<LedgerResult> {
  const batchSizes = options.batchSizes ?? [1, 25, 500];
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'spoor-ledger-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const kafka = options.kafka ? stack.use(await startKafka()) : undefined;
  const data = join(folder, 'data');
  const places = placesOf(data);
  for (const dir of [places.journals, places.run])
    stack.defer(() => rm(dir, { recursive: true, force: true }));
  const startedAt = BigInt(Date.now()) * 1_000_000n;
  const up = stack.use(await spoorUp({ data, args: kafka ? ['--kafka', kafka.brokers.join(',')] : [] }));

  const topics = batchSizes.map((size) => topicOf(size));
  for (const topic of topics)
    for (const name of [topic, errorsOf(topic)])
      await ask(up, 'PUT', `/topics/${name}?partitions=${options.partitions ?? 12}`);
  await applyDirectory(up.internal, await writeApp(folder, batchSizes, options.shape), { wait: true });
  await untilConsumed(up, topics);

  const planned = new Map<string, string[]>();
  const messages = Array.from({ length: options.messages }, (_, i) => {
    const failures = Math.random() < FAILING ? 1 + Math.floor(Math.random() * (MAX_RETRIES + 1)) : 0;
    const message = { id: `m${i}`, failures };
    planned.set(message.id, outcomesOf(failures));
    return message;
  });
  await inParallel(PRODUCERS, messages, async (message, i) => {
    await ask(up, 'POST', `/topics/${topics[i % topics.length]}`, JSON.stringify(message), {
      'x-record-key': message.id,
      'content-type': 'application/json',
    });
  });
  await untilConsumed(up, topics);
  let redriven = 0;
  for (const topic of topics) {
    const answer = await ask(up, 'POST', `/topics/${errorsOf(topic)}/redrive?to=${topic}`);
    redriven += ((await answer.json()) as { redriven: number }).redriven;
  }
  await untilConsumed(up, topics);
  const { exitCode } = await up.stop();
  if (exitCode !== 0) throw new Error(`spoor up exited with ${exitCode}:\n${up.stderr()}`);
  const spans = await allSpans(places.store, startedAt);
  return { planned, redriven, spans, journeys: readJourneys(spans) };
}

/** `retry` for each failure that is tried again, then `success`, or `dead_letter` and the `success` after the redrive. */
function outcomesOf(failures: number): string[] {
  const retries = Array.from({ length: Math.min(failures, MAX_RETRIES) }, () => 'retry');
  return failures > MAX_RETRIES ? [...retries, 'dead_letter', 'success'] : [...retries, 'success'];
}

const topicOf = (batchSize: number) => `ledger-${batchSize}`;
const errorsOf = (topic: string) => `${topic}-errors`;

async function writeApp(
  folder: string,
  batchSizes: readonly number[],
  shape: 'parent' | 'links',
): Promise<string> {
  const app = join(folder, 'app');
  await cp(join(import.meta.dirname, 'app'), app, { recursive: true });
  const triggers = batchSizes.map(
    (batchSize) => `apiVersion: fission.io/v1
kind: MessageQueueTrigger
metadata:
  name: ${topicOf(batchSize)}
  namespace: default
spec:
  functionref:
    type: name
    name: ledger
  messageQueueType: kafka
  mqtkind: fission
  topic: ${topicOf(batchSize)}
  errorTopic: ${errorsOf(topicOf(batchSize))}
  maxRetries: ${MAX_RETRIES}
  contentType: application/json
  metadata:
    offsetResetPolicy: earliest
    batchSize: "${batchSize}"
    traceContext: ${shape}
    retryBackoffMs: "5"
`,
  );
  await writeFile(join(app, 'specs/triggers.yaml'), triggers.join('---\n'));
  return join(app, 'specs');
}

/** Until the trigger of each topic has joined and has nothing left to do. */
async function untilConsumed(up: SpoorUp, topics: readonly string[]): Promise<void> {
  const deadline = Date.now() + IDLE_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const described = (await (await ask(up, 'GET', '/topics')).json()) as {
      name: string;
      groups: { group: string; partitions: { lag: string }[] }[];
    }[];
    const isIdle = topics.every((topic) =>
      described
        .find(({ name }) => name === topic)
        ?.groups.some(
          ({ group, partitions }) =>
            group === `default/${topic}` && partitions.every(({ lag }) => lag === '0'),
        ),
    );
    if (isIdle) return;
    await sleep(100);
  }
  throw new Error(
    `the topics ${topics.join(', ')} were not consumed in ${IDLE_TIMEOUT_MS} ms\n${up.stderr()}`,
  );
}

async function ask(
  up: SpoorUp,
  method: string,
  path: string,
  body?: string,
  headers?: Record<string, string>,
): Promise<Response> {
  const response = await fetch(up.internal + path, { method, body, headers });
  if (response.ok) return response;
  throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
}

async function inParallel<T>(
  workers: number,
  items: readonly T[],
  work: (item: T, i: number) => Promise<void>,
): Promise<void> {
  const entries = items.entries();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (const [i, item] of entries) await work(item, i);
    }),
  );
}

/** Every span that the stopped backend left in its store, read page by page, the newest traces first. */
async function allSpans(dataDir: string, startUnixNano: bigint): Promise<SpanData[]> {
  await using store = await openStore({ dataDir });
  const found = new Map<string, SpanData>();
  const seen = new Set<string>();
  let endUnixNano = BigInt(Date.now() + 60_000) * 1_000_000n;
  for (;;) {
    const page = await store.reader.findTraces({
      range: { startUnixNano, endUnixNano },
      attributes: {},
      limit: TRACES_A_PAGE,
    });
    let isNew = false;
    let oldest = endUnixNano;
    for (const spans of page) {
      let newest = 0n;
      for (const span of spans) {
        if (span.startTimeUnixNano > newest) newest = span.startTimeUnixNano;
        found.set(`${span.traceId}/${span.spanId}`, span);
        isNew ||= !seen.has(span.traceId);
        seen.add(span.traceId);
      }
      if (newest < oldest) oldest = newest;
    }
    if (page.length < TRACES_A_PAGE || !isNew) return [...found.values()];
    endUnixNano = oldest + 1n;
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      messages: { type: 'string', default: '1000' },
      kafka: { type: 'boolean', default: false },
      shape: { type: 'string', default: 'parent' },
    },
  });
  const { assertLedger } = await import('./assert-ledger.ts');
  const started = Date.now();
  const result = await runLedger({
    messages: Number(values.messages),
    kafka: values.kafka,
    shape: values.shape === 'links' ? 'links' : 'parent',
  });
  assertLedger(result);
  console.log(
    `${result.planned.size} messages, ${result.redriven} redriven, ${result.spans.length} spans: every sequence of attempts as planned, no orphan, none invented; ${((Date.now() - started) / 1000).toFixed(0)} s`,
  );
}
