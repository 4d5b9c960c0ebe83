import type { FlowJson, FlowSpanJson, SpanRefJson } from '../../../backend/query/shapes.ts';

/** A flow as places and ways: what came in, the functions that ran, the records between them. */
export interface Journey {
  /** Causes before effects. */
  readonly steps: readonly Step[];
  readonly ways: readonly Way[];
}

export interface Step {
  readonly id: string;
  /** `outcome`: what became of one record of a batch, when it is not what became of the batch. */
  readonly kind: 'entry' | 'function' | 'record' | 'service' | 'outcome';
  readonly title: string;
  /** Of a record: partition and offset. Of a function that consumed: its group, and how many records when it was a batch. */
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
      // All tries may come before what they called: whose call it was tells which of them.
      const at = cause.tries.findIndex(({ span: { spanId } }) => spanId === causeSpan?.spanId);
      const called = cause.tries[at];
      if (called)
        cause.tries[at] = {
          ...called,
          span: { traceId: span.traceId, spanId: span.spanId },
          isError: called.isError || span.error,
          reason: reasonOf(span) || called.reason,
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
  placeOutcomes(flow, drafts, stepOf, spans);
  for (const draft of drafts.values())
    if (draft.title === '') draft.title = spans.get(draft.id)?.name.replace(/^process /, '') ?? '';
  return { steps: causesFirst(drafts), ways: waysOf(flow, drafts, stepOf) };
}

/**
 * A batch is one step that several records lead to. What became of each of its records has a span of its own, which links to the batch:
 * it stands behind the batch where it went wrong or led on, and is left out where it says what the batch says.
 *
 *     record 0/6 ─┐
 *     record 0/7 ─┼─ batcher (3 records) ── 0/7: no such name ── batches-errors
 *     record 0/8 ─┘
 */
function placeOutcomes(
  flow: FlowJson,
  drafts: Map<string, Draft>,
  stepOf: ReadonlyMap<string, Draft>,
  spans: ReadonlyMap<string, FlowSpanJson>,
): void {
  const received = Map.groupBy(
    flow.edges.filter(({ kind }) => kind === 'message'),
    ({ to }) => keyOf(to),
  );
  const counted = new Set<Draft>();
  for (const edge of flow.edges) {
    const batch = stepOf.get(keyOf(edge.from));
    const key = keyOf(edge.to);
    const draft = drafts.get(key);
    const span = spans.get(key);
    if (edge.kind !== 'link' || !batch || batch === draft || batch.kind !== 'function') continue;
    // It called nothing itself: the batch did.
    if (!draft || draft.title !== '' || span?.kind !== 'consumer') continue;
    const [message] = received.get(key) ?? [];
    draft.kind = 'outcome';
    draft.title = message?.topic ?? span.name.replace(/^process /, '');
    draft.note = message && message.offset !== '' ? `${message.partition}/${message.offset}` : '';
    draft.tries = [tryOf(span)];
    draft.causeId = batch.id;
    const count = received.get(batch.id)?.length ?? 0;
    if (count > 1 && !counted.has(batch)) batch.note = `${count} records, ${batch.note}`;
    counted.add(batch);
  }
  const causes = new Set([...drafts.values()].map(({ causeId }) => causeId));
  for (const [id, { kind, isError }] of drafts)
    if (kind === 'outcome' && !isError && !causes.has(id)) drafts.delete(id);
}

function causesFirst(drafts: ReadonlyMap<string, Draft>): Draft[] {
  const placed = new Set<Draft>();
  for (const draft of drafts.values()) {
    const chain: Draft[] = [];
    for (
      let at: Draft | undefined = draft;
      at && !placed.has(at) && !chain.includes(at);
      at = drafts.get(at.causeId)
    )
      chain.push(at);
    for (const each of chain.toReversed()) placed.add(each);
  }
  return [...placed];
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
    if (!from || !to || from === to || !drafts.has(from.id) || !drafts.has(to.id)) continue;
    // The record led to the batch, and that to the outcome.
    if (edge.kind === 'message' && to.kind === 'outcome') continue;
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
    reason: reasonOf(span),
    durationNanos: Math.max(0, Number(BigInt(span.endUnixNano) - BigInt(span.startUnixNano))),
  };
}

/** "killed by SIGKILL" says more than `signal`. */
function reasonOf(span: FlowSpanJson): string {
  return span.statusMessage || span.endReason;
}

export function keyOf(span: SpanRefJson): string {
  return `${span.traceId}/${span.spanId}`;
}
