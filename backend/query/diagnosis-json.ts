import {
  EXCEPTION_EVENT,
  EXCEPTION_MESSAGE,
  FAAS_COLDSTART,
  SPOOR_END_REASON,
} from '../../function/span/attributes.ts';
import type { SpanData } from '../../function/span/span-data.ts';
import type { FlowEdge, FlowNode } from '../diagnosis/flow.ts';
import {
  attemptOf,
  compareBigInt,
  endOf,
  functionOf,
  instanceOf,
  isError,
  isUnfinished,
  serviceOf,
  textOf,
  versionOf,
} from '../diagnosis/span-facts.ts';
import { lengthOf, type AccountSegment, type TimeAccount } from '../diagnosis/time-account.ts';
import type { LoadedFlow } from './load-flow.ts';
import type {
  AccountJson,
  CriticalPathJson,
  FlowEdgeJson,
  FlowJson,
  FlowSpanJson,
  SegmentJson,
  SpanRefJson,
} from './shapes.ts';

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
/** Spans named beside one stage; the segments name them all. */
const MAX_STAGE_SPANS = 20;

/** What diagnosis found, as the JSON of shapes.ts. */
export function toFlowJson(traceId: string, { flow, truncated }: LoadedFlow): FlowJson {
  const spans = flow.nodes.map(({ span }) => span);
  const start = least(spans.map((span) => span.startTimeUnixNano));
  const end = spans.reduce((most, span) => (endOf(span) > most ? endOf(span) : most), start);
  return {
    traceId,
    traceIds: flow.traceIds,
    startUnixNano: String(start),
    endUnixNano: String(end),
    durationNano: String(end - start),
    spanCount: spans.length,
    errorSpanCount: spans.filter(isError).length,
    truncated,
    settled: flow.settled,
    waitingFor: flow.waitingFor.map(({ producer, topic, consumerGroup, sinceUnixNano }) => ({
      ...refOf(producer.span),
      topic,
      consumerGroup,
      sinceUnixNano: String(sinceUnixNano),
    })),
    spans: flow.nodes.map(toFlowSpan),
    edges: flow.edges.map(toFlowEdge),
  };
}

export function toAccountJson(traceId: string, account: TimeAccount): AccountJson {
  return {
    traceId,
    reading: account.reading,
    root: rootRef(account),
    startUnixNano: String(account.startUnixNano),
    endUnixNano: String(account.endUnixNano),
    wallNano: String(account.wallNano),
    stages: account.stages.map(({ stage, owner, nano, share, nodes }) => ({
      stage,
      owner,
      nano: String(nano),
      share,
      spans: nodes.slice(0, MAX_STAGE_SPANS).map(({ span }) => refOf(span)),
    })),
    segments: account.segments.map((segment) => toSegment(segment, account)),
  };
}

export function toCriticalPathJson(traceId: string, account: TimeAccount): CriticalPathJson {
  const own = new Map<FlowNode, bigint>();
  for (const segment of account.segments) {
    if (segment.node && segment.startUnixNano < endOf(segment.node.span))
      own.set(segment.node, (own.get(segment.node) ?? 0n) + lengthOf(segment));
  }
  const { stages: _, ...rest } = toAccountJson(traceId, account);
  return {
    ...rest,
    spans: [...own]
      .sort(([, a], [, b]) => compareBigInt(b, a))
      .map(([{ span }, nano]) => ({
        ...refOf(span),
        service: serviceOf(span),
        name: span.name,
        nano: String(nano),
        share: account.wallNano === 0n ? 0 : Number(nano) / Number(account.wallNano),
      })),
  };
}

export function refOf(span: Pick<SpanData, 'traceId' | 'spanId'>): SpanRefJson {
  return { traceId: span.traceId, spanId: span.spanId };
}

/** The first exception's message, else the status message. */
export function messageOf(span: SpanData): string {
  if (!isError(span)) return span.status.message;
  const exception = span.events.find((event) => event.name === EXCEPTION_EVENT);
  return textOf(exception?.attributes[EXCEPTION_MESSAGE]) || span.status.message;
}

function toSegment(segment: AccountSegment, account: TimeAccount): SegmentJson {
  const span = segment.node?.span ?? account.roots[0]?.span;
  return {
    ...(span ? refOf(span) : { traceId: '', spanId: '' }),
    startUnixNano: String(segment.startUnixNano),
    endUnixNano: String(segment.endUnixNano),
    nano: String(lengthOf(segment)),
    stage: segment.stage,
    owner: segment.owner,
    service: segment.node ? serviceOf(segment.node.span) : '',
    name: segment.node?.span.name ?? '',
  };
}

function toFlowSpan(node: FlowNode): FlowSpanJson {
  const { span, cause } = node;
  return {
    ...refOf(span),
    parentSpanId: span.parentSpanId,
    cause: cause ? refOf(cause.span) : null,
    depth: node.depth,
    service: serviceOf(span),
    name: span.name,
    kind: KINDS[span.kind] ?? 'unspecified',
    startUnixNano: String(span.startTimeUnixNano),
    endUnixNano: String(endOf(span)),
    error: isError(span),
    statusMessage: messageOf(span),
    unfinished: isUnfinished(span),
    endReason: textOf(span.attributes[SPOOR_END_REASON]),
    function: functionOf(span),
    version: versionOf(span),
    instance: instanceOf(span),
    coldStart: span.attributes[FAAS_COLDSTART] === true,
    attempt: attemptOf(span),
  };
}

function toFlowEdge(edge: FlowEdge): FlowEdgeJson {
  return {
    from: refOf(edge.from.span),
    to: refOf(edge.to.span),
    kind: edge.kind,
    shape: edge.shape,
    waitNano: edge.waitNano === undefined ? null : String(edge.waitNano),
    clockSkew: edge.clockSkew,
    topic: edge.topic,
    partition: edge.partition,
    offset: edge.offset,
    consumerGroup: edge.consumerGroup,
  };
}

function rootRef(account: TimeAccount): SpanRefJson {
  const root = account.roots[0];
  return root ? refOf(root.span) : { traceId: '', spanId: '' };
}

function least(values: readonly bigint[]): bigint {
  return values.reduce((min, value) => (value < min ? value : min), values[0] ?? 0n);
}
