import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { assertOneTree, assertTimesNest, outlineOf, settledTrace } from '../support/traces.ts';
import { deployGreetings, greet, spoorUp } from '../support/spoor.ts';
import { startKafka } from './brokers.ts';

test('Greetings as a Service makes the same trace on Kafka as on the embedded log, span by span', async () => {
  const embedded = await traceOf([]);
  await using kafka = await startKafka();
  const onKafka = await traceOf(['--kafka', kafka.brokers.join(',')]);

  for (const spans of [embedded, onKafka]) {
    assertOneTree(spans);
    assertTimesNest(spans);
  }
  assert.deepEqual(outlineOf(onKafka), outlineOf(embedded));
  assert.deepEqual(essenceOf(onKafka), essenceOf(embedded, 'kafka'));
  const systems = (spans: readonly SpanData[]) => [
    ...new Set(spans.flatMap((span) => span.attributes['messaging.system'] ?? [])),
  ];
  assert.deepEqual(systems(embedded), ['spoor']);
  assert.deepEqual(systems(onKafka), ['kafka']);
});

/** Of the second greeting: no cold start in it, whose phases depend on what was warm. */
async function traceOf(args: readonly string[]): Promise<SpanData[]> {
  await using up = await spoorUp({ args });
  await deployGreetings(up);
  const first = await greet(up, { name: 'Ada', language: 'fr' });
  await settledTrace(up, first.traceId, 'send cards');
  const { traceId } = await greet(up, { name: 'Ada', language: 'fr' });
  return await settledTrace(up, traceId, 'send cards');
}

/** Names that differ from run to run: ids, addresses, times. Their types must not. */
const VARIES =
  /^(spoor\.request_id|spoor\.queue\.wait|faas\.(instance|invocation_id|version)|server\.port|url\.full|network\..*|client\..*|messaging\.(destination\.partition\.id|kafka\.offset)|user_agent\.original|process\.pid|service\.instance\.id|spoor\.instance.*|code\..*)$/;

/** Said only of an invocation that used or waited for the processor for long: of the machine, not of the road. */
const MAY_BE_MISSING = /^spoor\.(cpu|event_loop)\./;

/** Every span as kind, name, service, parent, links, status, events and attributes, but for what differs from run to run. */
function essenceOf(spans: readonly SpanData[], system?: string) {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  return spans
    .map((span) => ({
      name: span.name,
      kind: Object.keys(SPAN_KIND)[Object.values(SPAN_KIND).indexOf(span.kind)],
      service: span.resource['service.name'],
      parent: byId.get(span.parentSpanId)?.name,
      links: span.links.map((link) => byId.get(link.spanId)?.name),
      status: span.status.code,
      events: span.events.map((event) => event.name),
      attributes: Object.fromEntries(
        Object.entries(span.attributes)
          .filter(([name]) => !MAY_BE_MISSING.test(name))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, value]) => [
            name,
            VARIES.test(name) ? typeof value : name === 'messaging.system' ? (system ?? value) : value,
          ]),
      ),
    }))
    .sort((a, b) => (`${a.parent}/${a.name}` < `${b.parent}/${b.name}` ? -1 : 1));
}
