import {
  propagation,
  trace,
  type Attributes,
  type Link,
  type Span,
  type SpanContext,
  type SpanOptions,
  type SpanStatus,
  type Tracer,
} from '@opentelemetry/api';
import { randomBytes } from 'node:crypto';
import { startTracing, type Tracing } from '../../../function/span/tracing.ts';

export interface RecordedSpan {
  readonly context: SpanContext;
  readonly parentSpanId: string;
  readonly options: SpanOptions;
  readonly links: readonly Link[];
  readonly attributes: Attributes;
  readonly baggage: string | undefined;
  readonly events: { name: string; attributes: Attributes }[];
  name: string;
  status: SpanStatus | undefined;
  ended: boolean;
}

/** Tracing with the real propagators whose spans a test can read at once, without a journal and its reader. */
export function recordedTracing(): { readonly tracing: Tracing; readonly spans: RecordedSpan[] } {
  const spans: RecordedSpan[] = [];
  const tracer: Pick<Tracer, 'startSpan'> = {
    startSpan(name, options = {}, parent) {
      const above = parent && !options.root ? trace.getSpanContext(parent) : undefined;
      const recorded: RecordedSpan = {
        name,
        options,
        context: {
          traceId: above?.traceId ?? randomBytes(16).toString('hex'),
          spanId: randomBytes(8).toString('hex'),
          traceFlags: 1,
        },
        parentSpanId: above?.spanId ?? '',
        links: options.links ?? [],
        attributes: { ...options.attributes },
        baggage: parent && propagation.getBaggage(parent)?.getEntry('tenant')?.value,
        events: [],
        status: undefined,
        ended: false,
      };
      spans.push(recorded);
      const span: Partial<Span> = {
        spanContext: () => recorded.context,
        isRecording: () => !recorded.ended,
        setAttribute: (key, value) => (Object.assign(recorded.attributes, { [key]: value }), span as Span),
        setAttributes: (attributes) => (Object.assign(recorded.attributes, attributes), span as Span),
        addEvent: (event, attributes) => (
          recorded.events.push({ name: event, attributes: attributes as Attributes }),
          span as Span
        ),
        setStatus: (status) => ((recorded.status = status), span as Span),
        end: () => {
          if (recorded.ended) throw new Error(`span [${name}] ended twice`);
          recorded.ended = true;
        },
      };
      return span as Span;
    },
  };
  const base = startTracing({ journal: undefined, resource: {} });
  return { tracing: Object.assign(base, { tracer: () => tracer as Tracer }), spans };
}
