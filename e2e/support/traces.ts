import assert from 'node:assert/strict';
import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { fetchSettledTrace } from '../../cli/trace/fetch-trace.ts';
import { textOf } from '../../cli/trace/text-of.ts';
import type { SpoorUp } from './spoor.ts';

export const COLD_START_PHASES: readonly string[] = [
  'wait for capacity',
  'start instance',
  'fetch package',
  'load function',
];

const KIND_NAMES = Object.fromEntries(
  Object.entries(SPAN_KIND).map(([name, kind]) => [kind, name.toUpperCase()]),
);

/** The trace, once it is whole and has a span of this name (`count` of them). */
export async function settledTrace(
  up: SpoorUp,
  traceId: string,
  lastSpan: string,
  options: { count?: number; timeoutMs?: number } = {},
): Promise<SpanData[]> {
  const has = (spans: readonly SpanData[]) =>
    spans.filter((span) => span.name === lastSpan).length >= (options.count ?? 1);
  const spans = await fetchSettledTrace(up.query, traceId, {
    quietMs: 500,
    timeoutMs: options.timeoutMs ?? 30_000,
    until: has,
  });
  assert.ok(
    has(spans),
    `no span "${lastSpan}" in ${traceId}:\n${outlineOf(spans).join('\n')}\n${up.stderr()}`,
  );
  return spans;
}

export function one(spans: readonly SpanData[], name: string): SpanData {
  const found = spans.filter((span) => span.name === name);
  assert.equal(found.length, 1, `${found.length} spans named ${name}:\n${outlineOf(spans).join('\n')}`);
  return found[0] as SpanData;
}

export function assertOneTree(spans: readonly SpanData[]): void {
  const ids = new Set(spans.map((span) => span.spanId));
  assert.equal(ids.size, spans.length, 'span ids are unique');
  assert.equal(spans.filter((span) => span.parentSpanId === '').length, 1, 'one root');
  assert.deepEqual(
    spans.filter((span) => span.parentSpanId !== '' && !ids.has(span.parentSpanId)).map((span) => span.name),
    [],
    'no orphan',
  );
}

/** A child starts after its parent did; a synchronous one also ends before it. One machine's clocks, µs of the wire. */
export function assertTimesNest(spans: readonly SpanData[]): void {
  const slackNano = 2_000_000n;
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  for (const span of spans) {
    const parent = byId.get(span.parentSpanId);
    if (!parent) continue;
    assert.ok(
      span.startTimeUnixNano >= parent.startTimeUnixNano - slackNano,
      `${span.name} starts before ${parent.name}`,
    );
    if (parent.kind === SPAN_KIND.producer) continue;
    assert.ok(
      span.endTimeUnixNano <= parent.endTimeUnixNano + slackNano,
      `${span.name} ends after ${parent.name}`,
    );
  }
}

/** `service KIND name` of each span, indented by depth: what a person would read. */
export function outlineOf(spans: readonly SpanData[]): string[] {
  const ids = new Set(spans.map((span) => span.spanId));
  const lines: string[] = [];
  const visit = (children: readonly SpanData[], depth: number) => {
    for (const span of children.toSorted((a, b) => Number(a.startTimeUnixNano - b.startTimeUnixNano))) {
      lines.push(
        `${'  '.repeat(depth)}${textOf(span.resource['service.name'])} ${KIND_NAMES[span.kind]} ${span.name}`,
      );
      visit(
        spans.filter((other) => other.parentSpanId === span.spanId),
        depth + 1,
      );
    }
  };
  visit(
    spans.filter((span) => !ids.has(span.parentSpanId)),
    0,
  );
  return lines;
}
