import type { FastifyInstance } from 'fastify';
import {
  MESSAGING_DESTINATION_NAME,
  SPOOR_OUTCOME,
  SPOOR_TRIGGER_NAME,
} from '../../function/span/attributes.ts';
import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { Failure } from '../../server/failure.ts';
import {
  attemptOf,
  compareBigInt,
  endOf,
  functionOf,
  groupOf,
  invokedOf,
  isError,
  isInvoke,
  textOf,
} from '../diagnosis/span-facts.ts';
import type { MessageQuery, MessageSpan, StoreReader, TimeRange } from '../store/store.ts';
import { messageOf, refOf } from './diagnosis-json.ts';
import { count, oneOf, parseWindow, requireTraceId, text, type Params } from './params.ts';
import { nowUnixNano, paramsOf, sendJson, type ReaderOf } from './request.ts';
import type { DeliveryJson, MessageJson, MessagesJson } from './shapes.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
const MAX_TOPICS = 50;
/** Spans of one topic that are looked at: each record has one of its producer and one for each group. */
const MAX_SPANS = 10_000;
const TRACES_AT_ONCE = 8;

/** What became of a record: who sent it, who was given it, how often, with what outcome. */
export function addMessages(app: FastifyInstance, readerOf: ReaderOf): void {
  app.get('/api/messages', async (request, reply) => {
    const reader = readerOf(request);
    const params = paramsOf(request);
    const range = parseWindow(params, nowUnixNano());
    const limit = count(params, 'limit', DEFAULT_LIMIT, MAX_LIMIT);
    const state = oneOf(params, 'state', ['any', 'consumed', 'waiting', 'failed', 'sent'], 'any');
    const group = text(params, 'group');
    const trace = text(params, 'trace');
    const traceId = trace === undefined ? undefined : requireTraceId(trace, 'trace');

    const spans: MessageSpan[] = [];
    for (const query of await queriesOf(reader, params, range)) spans.push(...(await reader.messages(query)));
    const readTopics = new Set(
      spans.filter(({ kind }) => kind === SPAN_KIND.consumer).map(({ topic }) => topic),
    );
    const records = groupRecords(spans)
      .filter(
        ({ sent, received }) =>
          traceId === undefined || [sent, ...received].some((span) => span?.traceId === traceId),
      )
      .sort((a, b) => compareBigInt(timeOf(b), timeOf(a)));

    const messages: MessageJson[] = [];
    while (records.length > 0 && messages.length < limit) {
      const some = await Promise.all(
        records.splice(0, TRACES_AT_ONCE).map((record) => toMessage(reader, record, readTopics)),
      );
      for (const message of some) {
        if (state !== 'any' && message.state !== state) continue;
        if (group !== undefined && !message.deliveries.some((each) => each.consumerGroup === group)) continue;
        if (messages.length < limit) messages.push(message);
      }
    }
    const body: MessagesJson = { messages };
    return sendJson(request, reply, body);
  });
}

interface RecordSpans {
  readonly topic: string;
  readonly sent: MessageSpan | undefined;
  readonly received: readonly MessageSpan[];
}

/** One question for each topic: the one asked for, else all that were seen. */
async function queriesOf(reader: StoreReader, params: Params, range: TimeRange): Promise<MessageQuery[]> {
  const partition = wholeNumber(params, 'partition');
  const offset = wholeNumber(params, 'offset');
  const key = text(params, 'key');
  const topic = text(params, 'topic');
  const topics =
    topic === undefined
      ? (await reader.attributeValues({ key: MESSAGING_DESTINATION_NAME, range, limit: MAX_TOPICS })).map(
          (each) => each.text,
        )
      : [topic];
  return topics.map((topic) => ({
    topic,
    range,
    limit: MAX_SPANS,
    ...(partition === undefined ? {} : { partition: Number(partition) }),
    ...(offset === undefined ? {} : { offset }),
    ...(key === undefined ? {} : { key }),
  }));
}

function wholeNumber(params: Params, name: string): bigint | undefined {
  const value = text(params, name);
  if (value === undefined) return undefined;
  const most = name === 'partition' ? 2n ** 31n - 1n : 2n ** 63n - 1n;
  if (!/^\d{1,19}$/.test(value) || BigInt(value) > most)
    throw new Failure(
      'query',
      'bad_request',
      `unable to parse param '${name}': [${value.slice(0, 200)}] is not a whole number`,
    );
  return BigInt(value);
}

/** A record is a place in a topic; a send that got none (it failed, or its span does not say) stands alone. */
function groupRecords(spans: readonly MessageSpan[]): RecordSpans[] {
  const placed = spans.filter((span) => span.offset !== undefined);
  const records = [
    ...Map.groupBy(placed, (span) => `${span.topic}\0${span.partition}\0${span.offset}`).values(),
  ].map((group): RecordSpans => ({
    topic: (group[0] as MessageSpan).topic,
    sent: group.find((span) => span.kind === SPAN_KIND.producer),
    received: group.filter((span) => span.kind === SPAN_KIND.consumer),
  }));
  const unplaced = spans.filter((span) => span.offset === undefined && span.kind === SPAN_KIND.producer);
  return [...records, ...unplaced.map((sent) => ({ topic: sent.topic, sent, received: [] }))];
}

async function toMessage(
  reader: StoreReader,
  { topic, sent, received }: RecordSpans,
  readTopics: ReadonlySet<string>,
): Promise<MessageJson> {
  const first = (sent ?? received[0]) as MessageSpan;
  const sentEnd = sent ? sent.startUnixNano + sent.durationNano : undefined;
  const deliveries: DeliveryJson[] = [];
  for (const each of received) {
    const trace = await reader.trace(each.traceId);
    const span = trace.find(({ spanId }) => spanId === each.spanId);
    if (span) deliveries.push(toDelivery(span, trace, sentEnd));
  }
  return {
    traceId: first.traceId,
    spanId: first.spanId,
    topic,
    partition: first.partition === undefined ? '' : String(first.partition),
    offset: first.offset === undefined ? '' : String(first.offset),
    key: first.key ?? '',
    producer: sent?.service ?? '',
    sentUnixNano: String(first.startUnixNano),
    state:
      sent?.error === true || deliveries.some((each) => each.error)
        ? 'failed'
        : deliveries.length === 0
          ? readTopics.has(topic)
            ? 'waiting'
            : 'sent'
          : 'consumed',
    deliveries,
  };
}

function toDelivery(span: SpanData, trace: readonly SpanData[], sentEnd: bigint | undefined): DeliveryJson {
  const tries = trace.filter((each) => each.parentSpanId === span.spanId && isInvoke(each));
  const told = span.events.filter((event) => event.name === 'attempt').length;
  const child = trace.find((each) => each.parentSpanId === span.spanId && functionOf(each) !== '');
  const wait = sentEnd === undefined ? 0n : span.startTimeUnixNano - sentEnd;
  return {
    ...refOf(span),
    consumerGroup: groupOf(span),
    trigger: textOf(span.attributes[SPOOR_TRIGGER_NAME]),
    function: tries[0] ? invokedOf(tries[0]) : child ? functionOf(child) : functionOf(span),
    receivedUnixNano: String(span.startTimeUnixNano),
    endUnixNano: String(endOf(span)),
    waitNano: String(wait > 0n ? wait : 0n),
    attempts: Math.max(told, tries.length, ...tries.map(attemptOf), 1),
    outcome: textOf(span.attributes[SPOOR_OUTCOME]),
    error: isError(span),
    statusMessage: messageOf(span),
  };
}

function timeOf({ sent, received }: RecordSpans): bigint {
  return (sent ?? received[0])?.startUnixNano ?? 0n;
}
