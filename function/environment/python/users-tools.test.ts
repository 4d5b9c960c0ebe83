import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SPAN_KIND } from '../../span/span-data.ts';
import { EnvironmentProcess } from '../conformance/environment-process.ts';
import { startStandIn } from '../conformance/stand-in.ts';
import { pythonProgram } from './program.ts';
import { usersTools } from './test/users-tools.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

interface Tool {
  readonly name: string;
  /** Starts the tool, as users do, when the module is loaded. */
  readonly start: string;
  /** What `main` does with it before it answers `str(seen)`. */
  readonly use: string;
  readonly seen: string;
  readonly env?: Readonly<Record<string, string>>;
}

const TOOLS: readonly Tool[] = [
  {
    name: 'OpenTelemetry’s SDK with its instrumentation of requests',
    start: `
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.instrumentation.requests import RequestsInstrumentor
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
RequestsInstrumentor().instrument()`,
    // Within a span of a provider that is not ours, too.
    use: `
    with provider.get_tracer('theirs').start_as_current_span('theirs'):
        work()
    theirs, = exporter.get_finished_spans()
    seen = f'{theirs.context.trace_id:032x}'`,
    seen: TRACE,
  },
  {
    name: 'ddtrace, which patches all it finds',
    start: `import ddtrace.auto\nfrom ddtrace.trace import tracer`,
    use: `
    with tracer.trace('theirs') as span:
        work()
    seen = f'{span.trace_id:032x}'`,
    seen: TRACE,
    env: {
      DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false',
      DD_REMOTE_CONFIGURATION_ENABLED: 'false',
      DD_TRACE_STARTUP_LOGS: 'false',
    },
  },
  {
    name: 'ddtrace for requests alone, which starts traces of its own',
    start: `import ddtrace\nddtrace.patch(requests=True)\nfrom ddtrace.trace import tracer`,
    use: `
    with tracer.trace('theirs') as span:
        work()
    seen = type(span.trace_id).__name__`,
    seen: 'int',
    env: { DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false', DD_REMOTE_CONFIGURATION_ENABLED: 'false' },
  },
  {
    name: 'Sentry',
    start: `
import sentry_sdk
told = []
sentry_sdk.init(dsn='https://key@localhost/1', traces_sample_rate=1.0, before_send=lambda event, hint: told.append(event))`,
    use: `
    work()
    sentry_sdk.capture_exception(ValueError('told to Sentry'))
    seen = told[0]['exception']['values'][0]['value']`,
    seen: 'told to Sentry',
  },
];

void describe('a Python function that brings a tracer of its own keeps it, and its trace stays one', () => {
  for (const { name, start, use, seen, env = {} } of TOOLS) {
    void test(name, async () => {
      const tools = await usersTools();
      const { command, args } = await pythonProgram();
      await using around = await startStandIn();
      await using environment = await EnvironmentProcess.start(
        { program: command, args },
        {
          env: {
            SPOOR_INTERNAL_URL: around.url,
            SPOOR_ROUTER_URL: around.url,
            DD_TRACE_AGENT_URL: around.url,
            ...env,
          },
        },
      );
      const source = `
import sys
sys.path.append(${JSON.stringify(tools)})
import os, urllib.request
from opentelemetry import trace
${start}
import requests

def work():
    with trace.get_tracer('mine').start_as_current_span('draw'):
        pass
    print('printed')
    requests.get(os.environ['SPOOR_ROUTER_URL'] + '/by-requests')
    urllib.request.urlopen(os.environ['SPOOR_ROUTER_URL'] + '/by-urllib').read()

def main():
    ${use}
    return str(seen)
`;
      const loaded = await environment.specialize(environment.write({ 'main.py': source }));
      assert.equal(loaded.status, 200, loaded.text);
      const answer = await environment.ask({ headers: { traceparent: `00-${TRACE}-${PARENT}-01` } });
      assert.deepEqual([answer.status, answer.text], [200, seen], environment.stderr);
      environment.child.kill('SIGTERM');
      await environment.ended;

      const { spans, open, logs } = environment.journal();
      assert.deepEqual(
        open.map((span) => span.name),
        [],
      );
      const ids = new Set(spans.map((span) => span.spanId));
      assert.equal(ids.size, spans.length, 'span ids are unique');
      assert.deepEqual([...new Set(spans.map((span) => span.traceId))], [TRACE]);
      const tops = spans.filter((span) => !ids.has(span.parentSpanId));
      assert.deepEqual(
        tops.map(({ name: top, parentSpanId }) => [top, parentSpanId]),
        [['greeter', PARENT]],
      );
      for (const one of ['greeter', 'draw'])
        assert.equal(spans.filter((span) => span.name === one).length, 1, one);
      assert.deepEqual(
        logs.filter(({ body }) => body === 'printed').map(({ spanId }) => ids.has(spanId ?? '')),
        [true],
      );
      // Who is called stands below a CLIENT span that is in the trace, one for each call.
      const calls = around.received.filter(({ path }) => path.startsWith('/by-'));
      assert.deepEqual(
        calls.map(({ path }) => path),
        ['/by-requests', '/by-urllib'],
      );
      const clients = new Set(
        spans.filter((span) => span.kind === SPAN_KIND.client).map((span) => span.spanId),
      );
      const callers = calls.map(({ path, headers }) => {
        const [, traceId, spanId = ''] = String(headers['traceparent']).split('-');
        assert.equal(traceId, TRACE, path);
        assert.ok(clients.has(spanId), `${path} was called by ${spanId}, which is none of ours`);
        return spanId;
      });
      assert.deepEqual(new Set(callers), clients);
    });
  }
});
