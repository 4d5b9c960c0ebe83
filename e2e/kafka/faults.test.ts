import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { format } from 'node:util';
import { placesOf } from '../../cli/settings.ts';
import { readJournal } from '../../function/span/read-journal.ts';
import type { SpanData } from '../../function/span/span-data.ts';
import { openKafka } from '../../platform/queue/kafka.ts';
import type { Queue } from '../../platform/queue/queue.ts';
import { listen } from '../../server/listen.ts';
import { readBody } from '../../server/read-body.ts';
import { closeHttpServer } from '../../server/stop.ts';
import { startKafka, type Kafka } from './brokers.ts';

const KEYS = 24;
const PARTITIONS = 12;
/** Between two records of one key. */
const PACE_MS = 150;
/** Records that have to get through between one fault and the next. */
const PROGRESS = 150;
const ROUTER_AWAY_MS = Number(process.env['ROUTER_AWAY_MS'] ?? 6_000);
const SESSION_TIMEOUT_MS = 8_000;
/** One in so many fails for good. */
const BAD_EVERY = 50;

test('brokers, triggers and the router die: no record is lost, each key stays in order, what came twice says so', async () => {
  await using kafka = await startKafka({ brokers: 3 });
  await using queue = await openKafka({ brokers: kafka.brokers });
  await queue.createTopic('orders', { partitions: PARTITIONS });
  await using functions = await startFunctions();
  await using connectors = startConnectors(kafka, functions.url);
  await using producers = startProducers(queue);

  const first = await connectors.start();
  await functions.progress(PROGRESS);
  const second = await connectors.start();
  await functions.progress(PROGRESS);
  await kafka.kill(1);
  await functions.progress(PROGRESS);
  await functions.away(ROUTER_AWAY_MS);
  await functions.progress(PROGRESS);
  first.kill('SIGKILL');
  await connectors.start();
  await functions.progress(PROGRESS);
  await kafka.restart(1);
  second.kill('SIGTERM');
  assert.deepEqual(await once(second, 'exit'), [0, null]);
  await functions.progress(PROGRESS);
  const sent = await producers.stop();

  await untilConsumed(queue);
  const outcomes = [...(await valuesOf(queue, 'done')), ...(await valuesOf(queue, 'failed'))];
  const missing = sent.filter((value) => !outcomes.includes(value));
  assert.deepEqual(missing, [], `of ${sent.length} records`);
  for (const value of new Set(await valuesOf(queue, 'failed'))) assert.ok(isBad(value), value);

  for (let key = 0; key < KEYS; key += 1) {
    const numbers = [...new Set(functions.seen.map(({ value }) => value))]
      .map((value) => value.split(':').map(Number))
      .filter(([of]) => of === key)
      .map(([, number]) => number as number);
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
      `key ${key}`,
    );
  }
  // A repeated delivery is another attempt in the record's own trace, never a trace that looks like another record's.
  const traces = Map.groupBy(functions.seen, ({ value }) => value);
  const spans = functions.seen.map(({ spanId }) => spanId);
  assert.equal(new Set(spans).size, spans.length);
  for (const [value, deliveries] of traces)
    assert.equal(new Set(deliveries.map(({ traceId }) => traceId)).size, 1, value);
  const repeated = outcomes.length - new Set(outcomes).size;
  assert.ok(repeated < sent.length / 4, `${repeated} of ${sent.length} records came twice`);

  // Who died too: what came twice is two spans of one place in the topic, both below the one that sent it.
  await connectors.stop();
  const processed = Map.groupBy(
    connectors.spans().filter(({ name }) => name === 'process orders'),
    ({ traceId }) => traceId,
  );
  for (const [value, deliveries] of traces) {
    const spans = processed.get(deliveries[0]?.traceId ?? '') ?? [];
    const places = spans.map(({ attributes, parentSpanId }) =>
      format(
        '%s/%s below %s',
        attributes['messaging.destination.partition.id'],
        attributes['messaging.kafka.offset'],
        parentSpanId,
      ),
    );
    assert.equal(new Set(places).size, 1, `${value} was processed as ${places.join(', ')}`);
    const count = outcomes.filter((each) => each === value).length;
    assert.ok(spans.length >= count, `${value} has ${count} outcomes and ${spans.length} spans`);
  }
  console.log(`${sent.length} records, ${functions.seen.length} attempts, ${repeated} outcomes twice`);
});

/** Stands for router and function: records each attempt, and can be away. */
async function startFunctions() {
  const seen: { value: string; traceId: string; spanId: string }[] = [];
  const serve = (): Server =>
    createServer((request, response) => {
      const answer = async () => {
        const value = (await readBody(request, 1e6, 'function')).toString();
        const [, traceId = '', spanId = ''] = String(request.headers['traceparent']).split('-');
        seen.push({ value, traceId, spanId });
        response.writeHead(isBad(value) ? 500 : 200).end(value);
      };
      answer().catch((error: Error) => response.destroy(error));
    });
  let server = serve();
  const { url } = await listen(server, { port: 0 }, 'router');
  const { port } = server.address() as AddressInfo;
  return {
    url,
    seen,
    async progress(count: number) {
      const enough = seen.length + count;
      while (seen.length < enough) await sleep(20);
    },
    async away(ms: number) {
      await closeHttpServer(server, 0);
      await sleep(ms);
      server = serve();
      await listen(server, { port }, 'router');
    },
    [Symbol.asyncDispose]: () => closeHttpServer(server, 0),
  };
}

function startConnectors(kafka: Kafka, url: string) {
  const children: ChildProcess[] = [];
  const folders: string[] = [];
  return {
    async start(): Promise<ChildProcess> {
      const data = await mkdtemp(join(tmpdir(), 'spoor-connector-'));
      folders.push(data);
      const child = spawn(
        process.execPath,
        [
          join(import.meta.dirname, '../../cli/main.ts'),
          'connector',
          '--data',
          data,
          '-o',
          'json',
          '--log-level',
          'fatal',
        ],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
          env: {
            ...process.env,
            TOPIC: 'orders',
            HTTP_ENDPOINT: `${url}/fission-function/order`,
            BOOTSTRAP_SERVERS: kafka.brokers.join(','),
            CONSUMER_GROUP: 'g',
            OFFSET_RESET_POLICY: 'earliest',
            RESPONSE_TOPIC: 'done',
            ERROR_TOPIC: 'failed',
            MAX_RETRIES: '1',
            SPOOR_RETRY_BACKOFF_MS: '10',
            SPOOR_SESSION_TIMEOUT_MS: String(SESSION_TIMEOUT_MS),
          },
        },
      );
      children.push(child);
      await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), 'line');
      return child;
    },
    stop,
    /** Of all connectors, also of those that were killed. Nobody drains their journals here. */
    spans(): SpanData[] {
      return folders.flatMap((folder) => {
        const { journals } = placesOf(folder);
        return readdirSync(journals).flatMap((name) => {
          const { spans, open, droppedSpans } = readJournal(join(journals, name));
          assert.equal(droppedSpans, 0);
          return [...spans, ...open];
        });
      });
    },
    async [Symbol.asyncDispose]() {
      await stop();
      for (const data of folders)
        for (const folder of [data, placesOf(data).journals, placesOf(data).run])
          await rm(folder, { recursive: true, force: true });
    },
  };

  async function stop(): Promise<void> {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
  }
}

/** Each key's records one after another: `key:number`. */
function startProducers(queue: Queue) {
  const sent: string[] = [];
  const stopping = new AbortController();
  const producing = Array.from({ length: KEYS }, async (_, key) => {
    for (let number = 0; !stopping.signal.aborted; number += 1) {
      const value = `${key}:${number}`;
      const trace = `${key.toString(16).padStart(16, 'a')}${number.toString(16).padStart(16, '0')}`;
      const headers = [['traceparent', Buffer.from(`00-${trace}-00f067aa0ba902b7-01`)]] as const;
      try {
        await queue.produce('orders', [
          { key: Buffer.from(String(key)), value: Buffer.from(value), headers },
        ]);
        sent.push(value);
      } catch {
        // Not acknowledged: it may be there or not.
      }
      await sleep(PACE_MS);
    }
  });
  const stop = async () => {
    stopping.abort();
    await Promise.all(producing);
    return sent;
  };
  return {
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

function isBad(value: string): boolean {
  return Number(value.split(':')[1]) % BAD_EVERY === BAD_EVERY - 1;
}

async function untilConsumed(queue: Queue): Promise<void> {
  for (;;) {
    const topic = (await queue.topics()).find(({ name }) => name === 'orders');
    if (topic?.groups[0]?.partitions.every(({ lag }) => lag === 0n)) return;
    await sleep(100);
  }
}

async function valuesOf(queue: Queue, topic: string): Promise<string[]> {
  const values: string[] = [];
  for (const { partition, startOffset, endOffset } of (await queue.topics()).find(
    ({ name }) => name === topic,
  )?.partitions ?? []) {
    for (let offset = startOffset; offset < endOffset;) {
      const records = await queue.peek(topic, { partition, offset, limit: 10_000 });
      if (records.length === 0) break;
      values.push(...records.map(({ value }) => String(value)));
      offset = (records.at(-1)?.offset ?? endOffset) + 1n;
    }
  }
  return values;
}
