import type { FastifyInstance } from 'fastify';
import { MESSAGING_DESTINATION_NAME } from '../../function/span/attributes.ts';
import { SPAN_KIND } from '../../function/span/span-data.ts';
import { compareBigInt } from '../diagnosis/span-facts.ts';
import type { MessageSpan } from '../store/store.ts';
import { parseWindow } from './params.ts';
import { stepSecondsOf } from './red.ts';
import { nowUnixNano, paramsOf, sendJson, type ReaderOf } from './request.ts';
import type { TopicGroupJson, TopicsJson } from './shapes.ts';

const MAX_TOPICS = 50;
/** Newest spans of one topic that are looked at: each record has one of its producer and one for each group. */
const MAX_SPANS = 10_000;

/** How long records waited in each topic, by consumer group and over time: from the spans alone, without their traces. */
export function addTopics(app: FastifyInstance, readerOf: ReaderOf): void {
  app.get('/api/topics', async (request, reply) => {
    const reader = readerOf(request);
    const params = paramsOf(request);
    const range = parseWindow(params, nowUnixNano());
    const stepNano = BigInt(stepSecondsOf(params, range)) * 1_000_000_000n;
    const names = await reader.attributeValues({ key: MESSAGING_DESTINATION_NAME, range, limit: MAX_TOPICS });
    const topics = await Promise.all(
      names.map(async ({ text: topic }) => {
        const spans = await reader.messages({ topic, range, limit: MAX_SPANS });
        return { topic, isPartial: spans.length >= MAX_SPANS, groups: groupsOf(spans, stepNano) };
      }),
    );
    const body: TopicsJson = {
      startUnixNano: String(range.startUnixNano),
      endUnixNano: String(range.endUnixNano),
      stepNano: String(stepNano),
      topics: topics.sort((a, b) => (a.topic < b.topic ? -1 : 1)),
    };
    return sendJson(request, reply, body);
  });
}

interface Delivery {
  readonly span: MessageSpan;
  /** undefined when nobody told of the sending. */
  readonly waitNano: bigint | undefined;
}

function groupsOf(spans: readonly MessageSpan[], stepNano: bigint): TopicGroupJson[] {
  const sentAt = new Map<string, bigint>();
  for (const span of spans)
    if (span.kind === SPAN_KIND.producer && span.offset !== undefined)
      sentAt.set(placeOf(span), span.startUnixNano + span.durationNano);
  const deliveries = spans
    .filter((span) => span.kind === SPAN_KIND.consumer && span.offset !== undefined)
    .map((span): Delivery => {
      const sent = sentAt.get(placeOf(span));
      const wait = sent === undefined ? undefined : span.startUnixNano - sent;
      return { span, waitNano: wait !== undefined && wait < 0n ? 0n : wait };
    });
  return [...Map.groupBy(deliveries, ({ span }) => span.consumerGroup)]
    .map(([consumerGroup, some]): TopicGroupJson => ({
      consumerGroup,
      received: some.length,
      failed: some.filter(({ span }) => span.error).length,
      waitP50Nano: quantile(some, 0.5),
      waitP99Nano: quantile(some, 0.99),
      points: [...Map.groupBy(some, ({ span }) => span.startUnixNano / stepNano)]
        .sort(([a], [b]) => compareBigInt(a, b))
        .map(([step, of]) => ({
          timeUnixNano: String(step * stepNano),
          received: of.length,
          failed: of.filter(({ span }) => span.error).length,
          waitP99Nano: quantile(of, 0.99),
        })),
    }))
    .sort((a, b) => (a.consumerGroup < b.consumerGroup ? -1 : 1));
}

function placeOf({ partition, offset }: MessageSpan): string {
  return `${partition}/${offset}`;
}

function quantile(deliveries: readonly Delivery[], share: number): string {
  const waits = deliveries
    .map(({ waitNano }) => waitNano)
    .filter((wait) => wait !== undefined)
    .sort(compareBigInt);
  return String(waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? 0n);
}
