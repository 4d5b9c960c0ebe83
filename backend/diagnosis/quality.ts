import { MESSAGING_BATCH_MESSAGE_COUNT, SPOOR_JOURNAL_DROPPED } from '../../function/span/attributes.ts';
import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { skewOf } from './clock-skew.ts';
import type { Flow, FlowNode } from './flow.ts';
import { lostContexts, type LostContext } from './lost-context.ts';
import {
  functionOf,
  groupOf,
  isFunctionSpan,
  isUnfinished,
  numberOf,
  serviceOf,
  topicOf,
} from './span-facts.ts';

/** Something that is wrong with the traces themselves. */
export interface QualityFinding {
  readonly kind:
    | 'missing propagation'
    | 'lost context'
    | 'orphan span'
    | 'broken link'
    | 'clock skew'
    | 'unfinished span'
    | 'dropped data'
    | 'old attribute names'
    | 'wrong kind';
  /** Between whom: `topic greetings → group cards`, or one service. */
  readonly subject: string;
  readonly count: number;
  /** Of those that could have it. 0..1 */
  readonly share: number;
  readonly hint: string;
  readonly examples: readonly SpanData[];
}

const MAX_EXAMPLES = 3;
/** Nothing begins before its cause, but clocks of two processes differ by a little. */
const EARLY_NANO = 10_000_000n;
/** On a busy machine a server may still be ending when its client has had its answer for long. */
const LATE_NANO = 100_000_000n;
/** Names of before semantic conventions 1.24 (messaging) and 1.23 (HTTP) that are read, but that others may not read. */
const OLD_NAMES = [
  'messaging.destination',
  'messaging.kafka.consumer_group',
  'messaging.kafka.partition',
  'http.status_code',
  'http.method',
  'net.peer.name',
];

/** What one sees of propagation, clocks and names over many traces; the most frequent first. */
export function qualityOf(flow: Flow): QualityFinding[] {
  const spans = flow.nodes.map(({ span }) => span);
  const findings: QualityFinding[] = [];
  const perService = Map.groupBy(spans, serviceOf);
  const add = (
    kind: QualityFinding['kind'],
    hint: string,
    found: readonly SpanData[],
    subjectOf: (span: SpanData) => string,
    totalOf: (subject: string) => number,
  ) => {
    for (const [subject, some] of Map.groupBy(found, subjectOf))
      findings.push({
        kind,
        subject,
        count: some.length,
        share: Math.min(1, some.length / Math.max(1, totalOf(subject))),
        hint,
        examples: some.slice(0, MAX_EXAMPLES),
      });
  };
  const ofService = (subject: string) => perService.get(subject)?.length ?? 0;

  const consumers = spans.filter((span) => span.kind === SPAN_KIND.consumer);
  const uncaused = flow.nodes.filter(
    ({ span, cause }) =>
      span.kind === SPAN_KIND.consumer &&
      !cause &&
      span.links.length === 0 &&
      span.parentSpanId === '' &&
      !(MESSAGING_BATCH_MESSAGE_COUNT in span.attributes),
  );
  add(
    'missing propagation',
    'The records come without a traceparent header: let the producer send one, and let nothing on the way drop headers.',
    uncaused.map(({ span }) => span),
    hopOf,
    (subject) => consumers.filter((span) => hopOf(span) === subject).length,
  );

  for (const [subject, some] of Map.groupBy(lostContexts(flow), ({ from, to }) => `${from} → ${to}`)) {
    const { from, to } = some[0] as LostContext;
    const carried = flow.nodes.filter(({ span }) => isFunctionSpan(span) && functionOf(span) === to).length;
    findings.push({
      kind: 'lost context',
      subject,
      count: some.length,
      share: Math.min(1, some.length / Math.max(1, carried)),
      hint: `Let ${from} pass traceparent on (context.traceHeaders, or g.generated_headers in Python): its call of ${to} begins a trace of its own.`,
      examples: some.flatMap(({ caller, stray }) => [caller.span, stray.span]).slice(0, MAX_EXAMPLES + 1),
    });
  }

  const rootsPerTrace = Map.groupBy(
    flow.nodes.filter(({ span }) => span.parentSpanId === ''),
    ({ span }) => span.traceId,
  );
  const orphans = flow.broken.filter(({ link }) => link === undefined).map(({ span }) => span);
  // A trace whose only root names a parent elsewhere was begun by a caller who is not traced here: that is no fault.
  const lost = [...Map.groupBy(orphans, (span) => span.traceId)].flatMap(([traceId, some]) =>
    rootsPerTrace.has(traceId) || some.length > 1 ? some : [],
  );
  add(
    'orphan span',
    'Its parent never came: the service above it is not traced, drops spans, or samples differently.',
    lost,
    serviceOf,
    ofService,
  );

  add(
    'broken link',
    'It links to a span that is not kept: it expired, was sampled away, or never came.',
    flow.broken.filter(({ link }) => link !== undefined).map(({ span }) => span),
    serviceOf,
    ofService,
  );

  const skewed = flow.edges.filter((edge) => edge.clockSkew);
  add(
    'clock skew',
    'Receipt lies before sending: set the clocks of both hosts (chrony, ntpd).',
    skewed.map(({ to }) => to.span),
    hopOf,
    (subject) => consumers.filter((span) => hopOf(span) === subject).length,
  );
  const hosts = flow.nodes.flatMap((node) => {
    const { cause, span } = node;
    return cause?.span.spanId === span.parentSpanId && serviceOf(cause.span) !== serviceOf(span)
      ? [{ span, pair: `${serviceOf(cause.span)} → ${serviceOf(span)}`, isSkewed: isSkewed(cause, node) }]
      : [];
  });
  const pairOf = new Map(hosts.map(({ span, pair }) => [span, pair]));
  add(
    'clock skew',
    'What was called began before its call, or ended after it: set the clocks of both hosts (chrony, ntpd).',
    hosts.filter((each) => each.span.kind !== SPAN_KIND.consumer && each.isSkewed).map(({ span }) => span),
    (span) => pairOf.get(span) ?? '',
    (subject) => hosts.filter(({ pair }) => pair === subject).length,
  );
  add(
    'unfinished span',
    'The process died before these ended: see the end reason on each.',
    spans.filter(isUnfinished),
    serviceOf,
    ofService,
  );
  add(
    'dropped data',
    'More was recorded than could be kept: raise the limits of attributes and events, or of the journal.',
    spans.filter(hasDropped),
    serviceOf,
    ofService,
  );
  add(
    'old attribute names',
    'Set OTEL_SEMCONV_STABILITY_OPT_IN=http,messaging, or upgrade its instrumentation.',
    spans.filter((span) => OLD_NAMES.some((name) => name in span.attributes)),
    serviceOf,
    ofService,
  );
  add(
    'wrong kind',
    'A span that receives records is of kind CONSUMER, one that sends them PRODUCER: as another kind it is invisible to lag and map.',
    spans.filter((span) => span.kind === SPAN_KIND.internal && topicOf(span) !== ''),
    serviceOf,
    ofService,
  );
  return findings.sort((a, b) => b.count - a.count);
}

function isSkewed(cause: FlowNode, node: FlowNode): boolean {
  return (
    cause.span.startTimeUnixNano - node.span.startTimeUnixNano > EARLY_NANO || skewOf(cause, node) > LATE_NANO
  );
}

function hopOf(span: SpanData): string {
  return `topic ${topicOf(span)} → group ${groupOf(span)}`;
}

function hasDropped(span: SpanData): boolean {
  return (
    span.droppedAttributesCount > 0 ||
    span.droppedEventsCount > 0 ||
    span.droppedLinksCount > 0 ||
    (numberOf(span.attributes[SPOOR_JOURNAL_DROPPED]) ?? 0) > 0
  );
}
