import {
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  trace,
  type Attributes,
  type Context,
  type Link,
  type Span,
} from '@opentelemetry/api';
import * as names from '../../function/span/attributes.ts';
import { SpanOver } from '../../function/span/span-context.ts';
import type { QueueRecord } from '../queue/queue.ts';
import { contentAttributes, destinationAttributes, positionAttributes } from '../queue/record-attributes.ts';
import { extractContext } from '../queue/record-headers.ts';
import type { Delivery } from './delivery.ts';
import { SpanNames } from './span-names.ts';

export interface ConsumerSpan {
  readonly span: Span;
  /** With the span in it, and the producer's baggage. */
  readonly context: Context;
}

/**
 * `process TOPIC` of one record, beginning now. A child of the span that sent the record and linked to it; with
 * `traceContext: links` only linked, below `batch` when there is one.
 */
export function startRecordSpan(delivery: Delivery, record: QueueRecord, batch?: ConsumerSpan): ConsumerSpan {
  const sent = extractContext(record.headers);
  const links = producerLinks(sent, {});
  const shape = delivery.settings.traceContext;
  if (batch && shape === 'parent') links.push({ context: batch.span.spanContext() });
  const parent = shape === 'parent' ? sent : withBaggageOf(sent, batch?.context ?? ROOT_CONTEXT);
  return start(delivery, parent, links, {
    ...positionAttributes(record),
    ...contentAttributes(record),
    ...queueWait(record, Date.now()),
  });
}

/** `process TOPIC` of a batch: a root, with a link to what sent each record, and the record's place on the link. */
export function startBatchSpan(delivery: Delivery, records: readonly QueueRecord[]): ConsumerSpan {
  const links = records.flatMap((record) =>
    producerLinks(extractContext(record.headers), {
      ...positionAttributes(record),
      ...contentAttributes(record),
    }),
  );
  return start(delivery, ROOT_CONTEXT, links, {
    [names.MESSAGING_BATCH_MESSAGE_COUNT]: records.length,
    [names.MESSAGING_DESTINATION_PARTITION_ID]: String(records[0]?.partition ?? 0),
  });
}

/**
 * Milliseconds from the record's own timestamp to `now`. A record from the future has waited 0 ms, and the span says that
 * the clocks disagree.
 */
export function queueWait(record: Pick<QueueRecord, 'timestamp'>, now: number): Attributes {
  const waited = now - record.timestamp;
  return waited < 0
    ? { [names.SPOOR_QUEUE_WAIT]: 0, [names.SPOOR_CLOCK_SKEW]: true }
    : { [names.SPOOR_QUEUE_WAIT]: waited };
}

function start(delivery: Delivery, parent: Context, links: Link[], attributes: Attributes): ConsumerSpan {
  const { trigger, queue, settings, tracing } = delivery;
  const span = tracing.tracer().startSpan(
    spanNames.of(trigger.spec.topic),
    {
      kind: SpanKind.CONSUMER,
      links,
      attributes: {
        ...destinationAttributes(queue.system, 'process', trigger.spec.topic),
        [names.MESSAGING_CONSUMER_GROUP_NAME]: settings.group,
        [names.SPOOR_TRIGGER_NAME]: trigger.metadata.name,
        ...attributes,
      },
    },
    parent,
  );
  return { span, context: new SpanOver(parent, span) };
}

const spanNames = new SpanNames('process');

function producerLinks(sent: Context, attributes: Attributes): Link[] {
  const context = trace.getSpanContext(sent);
  return context ? [{ context, attributes }] : [];
}

function withBaggageOf(from: Context, to: Context): Context {
  const baggage = propagation.getBaggage(from);
  return baggage ? propagation.setBaggage(to, baggage) : to;
}
