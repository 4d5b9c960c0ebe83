import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { SPAN_KIND, type SpanData } from '../../span/span-data.ts';
import { EnvironmentProcess } from '../conformance/environment-process.ts';
import { startStandIn } from '../conformance/stand-in.ts';
import { nodeEnvironment, textOf } from './start-with.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

/** What each of them does after its tool is up: a span by the API, and a call by http and by fetch. */
const WORK = `
const http = require('node:http');
const { trace } = require('@opentelemetry/api');
const get = (url) => new Promise((resolve, reject) => http.get(url, (answer) => answer.resume().on('end', resolve)).on('error', reject));
const work = async () => {
  await trace.getTracer('mine').startActiveSpan('draw', async (span) => { await new Promise(setImmediate); span.end(); });
  await get(process.env.SPOOR_ROUTER_URL + '/by-http');
  await (await fetch(process.env.SPOOR_ROUTER_URL + '/by-fetch')).text();
};`;

const TOOLS: readonly (readonly [name: string, source: string, seen: string])[] = [
  [
    'OpenTelemetry’s SDK with its http instrumentation',
    `const { TracerProvider, SimpleSpanProcessor, InMemorySpanExporter } = require('@opentelemetry/sdk-trace');
     const { registerInstrumentations } = require('@opentelemetry/instrumentation');
     const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
     const exporter = new InMemorySpanExporter();
     const api = require('@opentelemetry/api');
     const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
     api.trace.setGlobalTracerProvider(provider);
     registerInstrumentations({ instrumentations: [new HttpInstrumentation()] });
     ${WORK}
     module.exports = async () => {
       await work();
       provider.getTracer('theirs').startSpan('theirs').end();
       await provider.forceFlush();
       const [theirs] = exporter.getFinishedSpans();
       return { status: 200, body: theirs.spanContext().traceId };
     };`,
    TRACE,
  ],
  [
    'dd-trace',
    `const tracer = require('dd-trace').init({ startupLogs: false, telemetry: { enabled: false }, remoteConfig: { enabled: false } });
     ${WORK}
     module.exports = async () => {
       await work();
       return { status: 200, body: tracer.trace('theirs', (span) => String(typeof span.context().toTraceId())) };
     };`,
    'string',
  ],
  [
    'Sentry',
    `const Sentry = require('@sentry/node');
     const sent = [];
     Sentry.init({ dsn: 'https://key@localhost/1', tracesSampleRate: 1, beforeSend: (event) => { sent.push(event); return null; } });
     ${WORK}
     module.exports = async () => {
       await work();
       Sentry.captureException(new Error('told to Sentry'));
       await Sentry.flush(2000);
       return { status: 200, body: sent[0]?.exception?.values?.[0]?.value };
     };`,
    'told to Sentry',
  ],
];

void describe('a function that brings a tracer of its own keeps it, and its trace stays one', () => {
  for (const [name, source, seen] of TOOLS) {
    void test(name, async () => {
      await using around = await startStandIn();
      await using environment = await EnvironmentProcess.start(nodeEnvironment, {
        env: { SPOOR_INTERNAL_URL: around.url, SPOOR_ROUTER_URL: around.url },
      });
      const folder = environment.write({ 'index.cjs': source });
      symlinkSync(join(import.meta.dirname, '../../../node_modules'), join(folder, 'node_modules'));
      const loaded = await environment.specialize(join(folder, 'index.cjs'));
      assert.equal(loaded.status, 202, loaded.text);
      const answer = await environment.ask({ headers: { traceparent: `00-${TRACE}-${PARENT}-01` } });
      assert.deepEqual([answer.status, answer.text], [200, seen], environment.stderr);
      environment.child.kill('SIGTERM');
      await environment.ended;

      const { spans, open } = environment.journal();
      assert.deepEqual(
        open.map((span) => span.name),
        [],
      );
      assertOneTree(spans);
      assert.equal(spans.filter((span) => span.name === 'greeter').length, 1);
      assert.equal(spans.filter((span) => span.name === 'draw').length, 1);
      // Who is called stands below a span that is in the trace.
      const ids = new Set(spans.map((span) => span.spanId));
      const calls = around.received.filter(({ path }) => path.startsWith('/by-'));
      assert.deepEqual(
        calls.map(({ path }) => path),
        ['/by-http', '/by-fetch'],
      );
      for (const { path, headers } of calls) {
        const [, traceId, spanId] = String(headers['traceparent']).split('-');
        assert.equal(traceId, TRACE, path);
        assert.ok(ids.has(String(spanId)), `${path} was called by ${spanId}, which is none of ours`);
      }
      const clients = spans.filter(
        (span) => span.kind === SPAN_KIND.client && textOf(span.attributes['url.full']).includes('/by-'),
      );
      assert.equal(
        clients.length,
        calls.length,
        JSON.stringify(spans.map(({ kind, name, attributes }) => [kind, name, attributes['url.full']])),
      );
    });
  }
});

function assertOneTree(spans: readonly SpanData[]): void {
  const ids = new Set(spans.map((span) => span.spanId));
  assert.equal(ids.size, spans.length, 'span ids are unique');
  assert.deepEqual([...new Set(spans.map((span) => span.traceId))], [TRACE]);
  const tops = spans.filter((span) => !ids.has(span.parentSpanId));
  assert.deepEqual(
    tops.map((span) => span.parentSpanId),
    [PARENT],
    tops.map((span) => span.name).join(', '),
  );
}
