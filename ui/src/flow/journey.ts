import type { FlowJson, FlowSpanJson, SpanRefJson } from '../../../backend/query/shapes.ts';

/** A flow as places and ways: what came in, the functions that ran, the records between them. */
export interface Journey {
  /** Causes before effects. */
  readonly steps: readonly Step[];
  readonly ways: readonly Way[];
}

export interface Step {
  readonly id: string;
  readonly kind: 'entry' | 'function' | 'record' | 'service';
  readonly title: string;
  /** Of a record: partition and offset. Of a function that consumed: its group. */
  readonly note: string;
  readonly span: SpanRefJson;
  /** Of a function, in order of time; more than one when it was tried again. */
  readonly tries: readonly Try[];
  /** It ended so: a failed try that was made good by the next is no error. */
  readonly isError: boolean;
  readonly isCold: boolean;
  /** Groups that have not answered for the record. */
  readonly waitingFor: readonly string[];
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  /** The step that it is drawn behind; '' for the first. */
  readonly causeId: string;
}

export interface Try {
  readonly span: SpanRefJson;
  readonly isError: boolean;
  readonly reason: string;
  readonly durationNanos: number;
}

export interface Way {
  readonly from: string;
  readonly to: string;
  /** ns that a record waited; `undefined` for a call. */
  readonly waitNanos: number | undefined;
  readonly hasClockSkew: boolean;
  readonly isMessage: boolean;
  readonly isError: boolean;
}

/** They carry, and are not places of their own. */
const ROAD = new Set(['router', 'executor', 'trigger']);

type Draft = { -readonly [Key in keyof Step]: Step[Key] } & { tries: Try[] };

/**
 *     router POST /greetings ── invoke greeter ── greeter ── send greetings ── process greetings ─┬─ invoke image (1) ── image
 *                                                                                               └─ invoke image (2) ── image
 *     entry                                       function   record             function image, two tries
 */
export function journeyOf(flow: FlowJson): Journey {
  const drafts = new Map<string, Draft>();
  const stepOf = new Map<string, Draft>();
  const groups = new Map<string, Draft>();
  const spans = new Map(flow.spans.map((span) => [keyOf(span), span]));
  const topics = new Map(
    flow.edges.filter(({ topic }) => topic !== '').map((edge) => [keyOf(edge.from), edge]),
  );

  const add = (kind: Step['kind'], span: FlowSpanJson, title: string, note = ''): Draft => {
    const cause = span.cause && stepOf.get(keyOf(span.cause));
    const draft: Draft = {
      id: keyOf(span),
      kind,
      title,
      note,
      span: { traceId: span.traceId, spanId: span.spanId },
      tries: [],
      isError: span.error,
      isCold: false,
      waitingFor: [],
      startUnixNano: BigInt(span.startUnixNano),
      endUnixNano: BigInt(span.endUnixNano),
      causeId: cause?.id ?? '',
    };
    drafts.set(draft.id, draft);
    return draft;
  };

  for (const span of flow.spans) {
    const key = keyOf(span);
    const cause = span.cause ? stepOf.get(keyOf(span.cause)) : undefined;
    const causeSpan = span.cause ? spans.get(keyOf(span.cause)) : undefined;
    if (span.kind === 'producer') {
      const edge = topics.get(key);
      const place = edge && edge.offset !== '' ? `${edge.partition}/${edge.offset}` : '';
      // What a record alone caused is that record, sent back from its dead letters.
      const note = cause?.kind === 'record' ? `sent back ${place}`.trimEnd() : place;
      stepOf.set(key, add('record', span, edge?.topic ?? span.name.replace(/^send /, ''), note));
    } else if (span.kind === 'consumer') {
      const edge = flow.edges.find((each) => each.kind === 'message' && keyOf(each.to) === key);
      stepOf.set(key, add('function', span, '', edge?.consumerGroup ?? ''));
    } else if (span.attempt > 0 && span.name.startsWith('invoke ')) {
      const name = span.name.slice('invoke '.length);
      const group = `${span.cause ? keyOf(span.cause) : key} ${name}`;
      const isOfConsumer = causeSpan?.kind === 'consumer' && (cause?.title === '' || cause?.title === name);
      const step = groups.get(group) ?? (isOfConsumer && cause ? cause : add('function', span, name));
      groups.set(group, step);
      step.title = name;
      step.tries.push(tryOf(span));
      step.isError = span.error;
      step.isCold ||= span.coldStart;
      const end = BigInt(span.endUnixNano);
      if (end > step.endUnixNano) step.endUnixNano = end;
      stepOf.set(key, step);
    } else if (
      span.kind === 'server' &&
      span.function !== '' &&
      cause?.kind === 'function' &&
      cause.tries.length > 0
    ) {
      // The invocation itself: what happened inside says more than the call that it answers.
      const last = cause.tries.at(-1);
      if (last && causeSpan && last.span.spanId === causeSpan.spanId)
        cause.tries[cause.tries.length - 1] = {
          ...last,
          span: { traceId: span.traceId, spanId: span.spanId },
          isError: last.isError || span.error,
          reason: span.endReason || span.statusMessage || last.reason,
        };
      cause.isCold ||= span.coldStart;
      stepOf.set(key, cause);
    } else if (span.kind === 'server' && span.function !== '') {
      const step = add('function', span, span.function);
      step.tries.push(tryOf(span));
      step.isCold = span.coldStart;
      stepOf.set(key, step);
    } else if (!cause) stepOf.set(key, add('entry', span, span.name));
    else if (span.kind === 'server' && !ROAD.has(span.service))
      stepOf.set(key, add('service', span, span.service));
    else stepOf.set(key, cause);
  }
  for (const waiting of flow.waitingFor) {
    const step = drafts.get(keyOf(waiting));
    if (step) step.waitingFor = [...step.waitingFor, waiting.consumerGroup];
  }
  for (const draft of drafts.values())
    if (draft.title === '') draft.title = spans.get(draft.id)?.name.replace(/^process /, '') ?? '';
  return { steps: [...drafts.values()], ways: waysOf(flow, drafts, stepOf) };
}

function waysOf(
  flow: FlowJson,
  drafts: ReadonlyMap<string, Draft>,
  stepOf: ReadonlyMap<string, Draft>,
): Way[] {
  const ways = new Map<string, Way>();
  for (const edge of flow.edges) {
    const from = stepOf.get(keyOf(edge.from));
    const to = stepOf.get(keyOf(edge.to));
    if (!from || !to || from === to) continue;
    // A record that was sent back links to its first sending too: the road over its dead letter says that already.
    if (edge.kind === 'link' && to.kind === 'record' && to.causeId !== from.id) continue;
    const key = `${from.id} ${to.id}`;
    const isMessage = edge.kind === 'message';
    if (ways.has(key) && !isMessage) continue;
    ways.set(key, {
      from: from.id,
      to: to.id,
      waitNanos: edge.waitNano === null ? undefined : Number(edge.waitNano),
      hasClockSkew: edge.clockSkew,
      isMessage,
      isError: to.isError,
    });
  }
  // What a span is drawn behind is always joined with it, whether or not the flow has that edge.
  for (const step of drafts.values()) {
    const key = `${step.causeId} ${step.id}`;
    if (step.causeId !== '' && !ways.has(key))
      ways.set(key, {
        from: step.causeId,
        to: step.id,
        waitNanos: undefined,
        hasClockSkew: false,
        isMessage: false,
        isError: step.isError,
      });
  }
  return [...ways.values()];
}

function tryOf(span: FlowSpanJson): Try {
  return {
    span: { traceId: span.traceId, spanId: span.spanId },
    isError: span.error || span.unfinished,
    reason: span.endReason || span.statusMessage,
    durationNanos: Math.max(0, Number(BigInt(span.endUnixNano) - BigInt(span.startUnixNano))),
  };
}

export function keyOf(span: SpanRefJson): string {
  return `${span.traceId}/${span.spanId}`;
}
