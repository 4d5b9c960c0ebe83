import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { textOf } from '../../cli/trace/text-of.ts';

/** One message's way as its traces tell it. */
export interface Journey {
  /** Outcome of each attempt, in order, across dead letter and redrive. */
  readonly outcomes: readonly string[];
  /** What it went through: `send`, `process`, `dead letter`, `send`, `process` … */
  readonly steps: readonly string[];
}

/**
 * From spans alone, by parents and links: the PRODUCER span of a message that was not redriven, the CONSUMER span that links
 * to it, its attempts; the PRODUCER span below it that sent it to the error topic; the one that links to that; and on.
 */
export function readJourneys(spans: readonly SpanData[]): Map<string, Journey> {
  const index = indexOf(spans);
  const journeys = new Map<string, Journey>();
  for (const span of spans) {
    if (span.kind !== SPAN_KIND.producer || span.parentSpanId !== '') continue;
    if (span.attributes['spoor.redriven_from'] !== undefined) continue;
    const key = textOf(span.attributes['messaging.kafka.message.key']);
    if (journeys.has(key)) throw new Error(`message ${key} was sent twice`);
    journeys.set(key, follow(span, index));
  }
  return journeys;
}

interface Index {
  /** Spans by the id of a span they are below. */
  readonly children: ReadonlyMap<string, readonly SpanData[]>;
  /** Spans by the id of a span they link to. */
  readonly linking: ReadonlyMap<string, readonly SpanData[]>;
}

function follow(first: SpanData, index: Index): Journey {
  const outcomes: string[] = [];
  const steps: string[] = [];
  let send: SpanData | undefined = first;
  while (send) {
    steps.push('send');
    const key: string = textOf(send.attributes['messaging.kafka.message.key']);
    const processes: SpanData[] = linkingTo(send, index).filter(
      (span) =>
        span.kind === SPAN_KIND.consumer && span.attributes['messaging.batch.message_count'] === undefined,
    );
    if (processes.length !== 1) throw new Error(`message ${key} was processed ${processes.length} times`);
    const process = processes[0] as SpanData;
    steps.push('process');
    outcomes.push(...attemptsOf(process, index));
    const dead = childrenOf(process, index).find((span) => span.kind === SPAN_KIND.producer);
    if (dead) steps.push('dead letter');
    send = dead && linkingTo(dead, index).find((span) => span.kind === SPAN_KIND.producer);
  }
  return { outcomes, steps };
}

/** Of a record alone, the spans `invoke` below it; of one in a batch, its events `attempt`. */
function attemptsOf(process: SpanData, index: Index): string[] {
  const events = process.events.filter(({ name }) => name === 'attempt').map(({ attributes }) => attributes);
  const invokes = childrenOf(process, index)
    .filter(({ kind }) => kind === SPAN_KIND.client)
    .map(({ attributes }) => attributes);
  return [...events, ...invokes]
    .sort((a, b) => Number(a['spoor.attempt']) - Number(b['spoor.attempt']))
    .map((attributes, i) => {
      if (Number(attributes['spoor.attempt']) !== i + 1) throw new Error(`attempt ${i + 1} is missing`);
      return textOf(attributes['spoor.outcome']);
    });
}

function childrenOf(span: SpanData, index: Index): readonly SpanData[] {
  return index.children.get(`${span.traceId}/${span.spanId}`) ?? [];
}

function linkingTo(span: SpanData, index: Index): readonly SpanData[] {
  return index.linking.get(`${span.traceId}/${span.spanId}`) ?? [];
}

function indexOf(spans: readonly SpanData[]): Index {
  const children = new Map<string, SpanData[]>();
  const linking = new Map<string, SpanData[]>();
  const add = (map: Map<string, SpanData[]>, id: string, span: SpanData) => {
    const found = map.get(id);
    if (found) found.push(span);
    else map.set(id, [span]);
  };
  for (const span of spans) {
    if (span.parentSpanId !== '') add(children, `${span.traceId}/${span.parentSpanId}`, span);
    for (const link of span.links) add(linking, `${link.traceId}/${link.spanId}`, span);
  }
  return { children, linking };
}
