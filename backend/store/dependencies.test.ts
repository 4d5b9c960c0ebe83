import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SPAN_KIND } from '../../function/span/span-data.ts';
import { openStore } from './open-store.ts';
import { NOON, span, temporaryFolder } from './testing.ts';

void test('with topics as nodes, records go by way of their topic and calls stay calls', async () => {
  await using folder = await temporaryFolder();
  await using store = await openStore({ dataDir: folder.path });
  const of = (service: string) => ({ resource: { 'service.name': service } });
  const root = span({ ...of('router') });
  const { traceId } = root;
  const called = span({ ...of('greeter'), traceId, parentSpanId: root.spanId });
  const record = { 'messaging.destination.name': 'greetings' };
  const sent = span({
    ...of('greeter'),
    traceId,
    parentSpanId: called.spanId,
    kind: SPAN_KIND.producer,
    attributes: record,
  });
  const consumers = ['cards', 'audit'].map((group, at) =>
    span({
      ...of('trigger'),
      kind: SPAN_KIND.consumer,
      attributes: { ...record, 'messaging.consumer.group.name': group },
      // One is a child of the sender, the other in a trace of its own and linked.
      ...(at === 0
        ? { traceId, parentSpanId: sent.spanId }
        : {
            links: [
              {
                traceId,
                spanId: sent.spanId,
                traceState: '',
                flags: 0,
                attributes: {},
                droppedAttributesCount: 0,
              },
            ],
          }),
    }),
  );
  // Sent twice, as a sender that heard no answer does.
  for (let times = 0; times < 2; times += 1)
    await store.writer.writeSpans([root, called, sent, ...consumers]);
  const range = { startUnixNano: NOON, endUnixNano: NOON + 1n };
  assert.deepEqual(await store.reader.dependencies(range), [
    { parent: 'greeter', child: 'trigger', callCount: 2 },
    { parent: 'router', child: 'greeter', callCount: 1 },
  ]);
  assert.deepEqual(await store.reader.dependencies(range, { topics: true }), [
    { parent: 'router', child: 'greeter', callCount: 1 },
    { parent: 'greeter', child: 'greetings', callCount: 1, topic: 'child' },
    { parent: 'greetings', child: 'trigger', callCount: 2, topic: 'parent' },
  ]);
});
