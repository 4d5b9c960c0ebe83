import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { SpanData } from '../../function/span/span-data.ts';
import { silentLog } from '../../server/log.ts';
import { openStore } from '../store/open-store.ts';
import { startQuery } from './query.ts';
import type {
  AccountJson,
  CriticalPathJson,
  FlowJson,
  FunctionsJson,
  MapJson,
  MessagesJson,
  TopicsJson,
  WhyJson,
} from './shapes.ts';
import { greeting, inShape } from './test/greetings.ts';

const now = BigInt(Date.now()) * 1_000_000n;
const greetings = (['warm', 'warm', 'none', 'crash', 'slow', 'error', 'warm', 'warm'] as const).flatMap(
  (fault, i) => placed(i, greeting(i + 1, now - BigInt(90 - i * 10) * 1_000_000_000n, fault)),
);
const roots = greetings.filter(({ parentSpanId }) => parentSpanId === '').map(({ traceId }) => traceId);

/** Over HTTP from the real store: what Jaeger's own dependencies and critical path lose in one of the two. */
describe('a workload recorded as parents, and the same as links', { timeout: 120_000 }, () => {
  const cleanup = new AsyncDisposableStack();
  const urls: string[] = [];
  before(async () => {
    for (const shape of ['parents', 'links'] as const) {
      const dataDir = await mkdtemp(join(tmpdir(), 'spoor-shapes-'));
      cleanup.defer(() => rm(dataDir, { recursive: true, force: true }));
      const store = cleanup.use(await openStore({ dataDir }));
      await store.writer.writeSpans(inShape(greetings, shape));
      const api = cleanup.use(await startQuery({ reader: store.reader, port: 0, log: silentLog() }));
      urls.push(api.url);
    }
  });
  after(() => cleanup[Symbol.asyncDispose]());

  test('have the same dependencies, with the topic between', async () => {
    const [parents, links] = await both('/api/dependencies', ({ data }: { data: Edge[] }) =>
      data.map(({ parent, child, callCount }) => `${parent} ${child} ${callCount}`).sort(),
    );
    assert.deepEqual(links, parents);
    for (const edge of ['greeter greetings 8', 'greetings trigger 8', 'trigger cards 8'])
      assert.ok((parents as string[]).includes(edge), edge);
  });

  test('have the same map, with the same calls and lags', async () => {
    const [parents, links] = await both('/api/map', ({ nodes, edges }: MapJson) => ({
      nodes: nodes.map((node) => without(node, 'ratePerSecond')).toSorted(byJson),
      edges: edges.map((edge) => without(edge, 'ratePerSecond')).toSorted(byJson),
    }));
    assert.deepEqual(links, parents);
  });

  test('have the same functions, messages and waits', async () => {
    const [functions, functionsByLink] = await both(
      '/api/functions',
      (body: FunctionsJson) => body.functions,
    );
    assert.deepEqual(functionsByLink, functions);
    const [topics, topicsByLink] = await both('/api/topics', (body: TopicsJson) => body.topics);
    assert.deepEqual(topicsByLink, topics);
    const [messages, messagesByLink] = await both('/api/messages?topic=greetings', (body: MessagesJson) =>
      body.messages.map((message) => ({
        ...without(message, 'traceId'),
        deliveries: message.deliveries.map((delivery) => without(delivery, 'traceId')),
      })),
    );
    assert.equal((messages as unknown[]).length, roots.length);
    assert.deepEqual(messagesByLink, messages);
  });

  for (const [i, id] of roots.entries())
    test(`have the same flow, account, critical path and verdict: ${i}`, async () => {
      const [flow, flowByLink] = await both(
        `/api/flows/${id}`,
        ({ spans, edges, settled, spanCount }: FlowJson) => ({
          spanCount,
          settled,
          spans: spans
            .map(({ spanId, cause, depth }) => ({ spanId, cause: cause?.spanId, depth }))
            .toSorted(byJson),
          edges: edges
            .filter(({ kind }) => kind === 'message')
            .map(({ from, to, waitNano, topic, offset }) => [
              from.spanId,
              to.spanId,
              waitNano,
              topic,
              offset,
            ]),
        }),
      );
      assert.deepEqual(flowByLink, flow);
      for (const reading of ['caller', 'end-to-end']) {
        const [account, accountByLink] = await both(
          `/api/traces/${id}/account?reading=${reading}`,
          (body: AccountJson) => ({
            wallNano: body.wallNano,
            stages: body.stages.map(({ stage, owner, nano }) => [stage, owner, nano]),
          }),
        );
        assert.deepEqual(accountByLink, account);
        const [path, pathByLink] = await both(
          `/api/traces/${id}/critical-path?reading=${reading}`,
          (body: CriticalPathJson) => body.segments.map((segment) => without(segment, 'traceId')),
        );
        assert.deepEqual(pathByLink, path);
      }
      const [why, whyByLink] = await both(`/api/traces/${id}/why`, (body: WhyJson) => ({
        outcome: body.outcome,
        first: body.causes[0] && [body.causes[0].kind, body.causes[0].owner],
      }));
      assert.deepEqual(whyByLink, why);
    });

  async function both(path: string, pick: (body: never) => unknown): Promise<unknown[]> {
    return await Promise.all(
      urls.map(async (url) => {
        const response = await fetch(url + path, { signal: AbortSignal.timeout(60_000) });
        assert.equal(response.status, 200, path);
        return pick((await response.json()) as never);
      }),
    );
  }
});

interface Edge {
  readonly parent: string;
  readonly child: string;
  readonly callCount: number;
}

/** Each greeting's record at an offset of its own. */
function placed(offset: number, trace: readonly SpanData[]): SpanData[] {
  return trace.map((span) =>
    'messaging.kafka.offset' in span.attributes
      ? { ...span, attributes: { ...span.attributes, 'messaging.kafka.offset': BigInt(offset) } }
      : span,
  );
}

/** What may differ: the trace that a span is in, and rates, which are over the time since the first span. */
function without(from: object, key: string): object {
  return Object.fromEntries(Object.entries(from).filter(([each]) => each !== key));
}

function byJson(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}
