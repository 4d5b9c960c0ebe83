import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { unadjusted } from './adjust.ts';
import { toJaegerTrace } from './jaeger-trace.ts';
import { decodeOtlp, encodeOtlp } from './otlp-json.ts';
import { greeting } from './test/greetings.ts';

void test('OTLP to Jaeger v1: every type of value, kind, status, links, events, a span without a service', async () => {
  const spans = decodeOtlp(await golden('otlp-in.json'));
  const trace = toJaegerTrace(spans[0]?.traceId ?? '', unadjusted(spans));
  assert.deepEqual(JSON.parse(JSON.stringify(trace)), await golden('jaeger-out.json'));
});

void test('OTLP JSON loses nothing on the way out and in again', () => {
  const spans = greeting(7, 1_795_000_000_000_000_000n, 'crash');
  const again = decodeOtlp(JSON.parse(JSON.stringify(encodeOtlp(spans))));
  const byId = new Map(again.map((span) => [span.spanId, span]));
  assert.equal(again.length, spans.length);
  for (const span of spans)
    assert.deepEqual(byId.get(span.spanId), { ...span, scope: { ...span.scope, attributes: {} } });
});

async function golden(name: string): Promise<unknown> {
  return JSON.parse(await readFile(join(import.meta.dirname, 'golden', name), 'utf8'));
}
