import { join } from 'node:path';
import { SPOOR_UNFINISHED, SERVICE_NAME } from '../function/span/attributes.ts';
import { STATUS_CODE, type SpanData } from '../function/span/span-data.ts';
import { Failure } from '../server/failure.ts';
import { applyDirectory } from './verbs/spec.ts';
import { formatDuration } from './duration.ts';
import { fetchSettledTrace } from './trace/fetch-trace.ts';
import { drawWaterfall } from './trace/waterfall.ts';
import type { Endpoints } from './up.ts';

/** Greetings as a Service: what the demo sends, and how each journey ends. */
export const FAULTS = ['slow', 'error', 'crash', 'timeout'] as const;
export type Fault = (typeof FAULTS)[number];

const STORY: Readonly<Record<Fault | 'good', { readonly what: string; readonly lastSpan: string }>> = {
  good: { what: 'a good greeting', lastSpan: 'send cards' },
  slow: { what: 'a slow validator', lastSpan: 'send cards' },
  error: { what: 'image throws', lastSpan: 'send greetings-errors' },
  crash: { what: 'image is killed half way (SIGKILL)', lastSpan: 'send greetings-errors' },
  timeout: { what: 'image runs past its time-out', lastSpan: 'send greetings-errors' },
};

const NAMES = ['Ada', 'Grace', 'Edsger', 'Barbara', 'Linus'];
const LANGUAGES = ['en', 'fr', 'de', 'es', 'hi'];
/** Every attempt of the time-out fault takes its two seconds, and back-off between. */
const JOURNEY_TIMEOUT_MS = 45_000;
const QUIET_MS = 600;

export interface DemoOptions {
  readonly endpoints: Endpoints;
  readonly fault: Fault | undefined;
  readonly width: number;
  readonly colour: boolean;
  /** When the command was started: for the time to the first trace. Unix ms. */
  readonly startedAt: number;
  readonly print: (line: string) => void;
}

/** Resolves to the trace a person may ask about next: the one that was killed, or the only one. */
export async function demo(options: DemoOptions): Promise<string> {
  const { endpoints, print } = options;
  print('Greetings as a Service: greeter → validator, → Kafka-like topic → image → cards');
  await applyDirectory(endpoints.internal, join(import.meta.dirname, '../examples/greetings/specs'), {
    wait: true,
  });

  const first = options.fault ?? 'good';
  const trace = await greet(endpoints.router, first, 0);
  print(`\nPOST ${endpoints.router}/greetings  (${STORY[first].what})`);
  const spans = await journey(endpoints.query, trace, first);
  for (const line of drawWaterfall(spans, options)) print(line);
  print(
    `\nfirst trace ${((Date.now() - options.startedAt) / 1000).toFixed(1)} s after the command was typed`,
  );
  if (options.fault !== undefined) return trace;

  print('\nOne of each fault; the platform warns of the instances that die:');
  const sent: { kind: Fault; traceId: string }[] = [];
  for (const [i, kind] of FAULTS.entries())
    sent.push({ kind, traceId: await greet(endpoints.router, kind, i + 1) });
  await Promise.all(
    sent.map(async ({ kind, traceId }) => {
      const spans = await journey(endpoints.query, traceId, kind);
      print(`  ${kind.padEnd(8)} ${traceId}  ${outcomeOf(spans)}`);
    }),
  );
  return sent.find(({ kind }) => kind === 'crash')?.traceId ?? trace;
}

/** The trace id comes back in the answer (W3C trace context level 2, `traceresponse`). */
async function greet(router: string, kind: Fault | 'good', i: number): Promise<string> {
  const body = {
    name: NAMES[i % NAMES.length],
    language: LANGUAGES[i % LANGUAGES.length],
    ...(kind === 'good' ? {} : { fault: kind }),
  };
  const response = await fetch(`${router}/greetings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const traceId = response.headers.get('traceresponse')?.split('-')[1];
  const answer = await response.text();
  if (traceId === undefined)
    throw new Failure(
      'cli',
      'internal',
      `cannot follow the greeting: ${response.status} without a traceresponse header: ${answer}`,
    );
  if (!response.ok) throw new Failure('cli', 'function_error', `cannot greet: ${response.status} ${answer}`);
  return traceId;
}

function journey(query: string, traceId: string, kind: Fault | 'good'): Promise<SpanData[]> {
  const { lastSpan } = STORY[kind];
  return fetchSettledTrace(query, traceId, {
    quietMs: QUIET_MS,
    timeoutMs: JOURNEY_TIMEOUT_MS,
    until: (spans) => spans.some((span) => span.name === lastSpan),
  });
}

/** The deepest thing that went wrong, in a line. */
function outcomeOf(spans: readonly SpanData[]): string {
  const start = Math.min(...spans.map((span) => Number(span.startTimeUnixNano)));
  const end = Math.max(...spans.map((span) => Number(span.endTimeUnixNano)));
  const failed = spans.filter((span) => span.status.code === STATUS_CODE.error);
  const cause =
    failed.find((span) => span.attributes[SPOOR_UNFINISHED] === true) ??
    failed.find((span) => span.events.some((event) => event.name === 'exception')) ??
    failed[0];
  const took = `${spans.length} spans in ${formatDuration(end - start)}`;
  if (!cause) {
    const slowest = spans
      .filter((span) => span.kind === 2 && span.resource[SERVICE_NAME] !== 'router')
      .sort((a, b) =>
        Number(b.endTimeUnixNano - b.startTimeUnixNano - (a.endTimeUnixNano - a.startTimeUnixNano)),
      );
    const deepest = slowest.find((span) => span.name === 'validator') ?? slowest[0];
    return `${took}${deepest ? `, ${deepest.name} took ${formatDuration(deepest.endTimeUnixNano - deepest.startTimeUnixNano)}` : ''}`;
  }
  return `${took}, ${cause.name}: ${cause.status.message}`;
}
