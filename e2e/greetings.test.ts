import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { STATUS_CODE } from '../function/span/span-data.ts';
import { fetchSettledTrace } from '../cli/trace/fetch-trace.ts';
import {
  assertOneTree,
  assertTimesNest,
  COLD_START_PHASES,
  one,
  outlineOf,
  settledTrace,
} from './support/traces.ts';
import { deployGreetings, greet, spoorUp, type SpoorUp } from './support/spoor.ts';

describe('Greetings as a Service', () => {
  let up: SpoorUp;
  before(async () => {
    up = await spoorUp();
    await deployGreetings(up);
  });
  after(async () => {
    await up[Symbol.asyncDispose]();
  });

  test('a good greeting is one trace, one tree, from the router to the card', async () => {
    const { status, traceId } = await greet(up, { name: 'Ada', language: 'fr' });
    assert.equal(status, 202);
    const spans = await settledTrace(up, traceId, 'send cards');

    assertOneTree(spans);
    assertTimesNest(spans);
    const outline = outlineOf(spans).filter(
      (line) => !line.includes('executor INTERNAL') && !line.includes('image INTERNAL'),
    );
    assert.ok(spans.some((span) => COLD_START_PHASES.includes(span.name)));
    assert.deepEqual(outline, [
      'router SERVER POST /greetings',
      '  router CLIENT invoke greeter',
      '    greeter SERVER greeter',
      '      greeter CLIENT POST',
      '        router SERVER POST /validator',
      '          router CLIENT invoke validator',
      '            validator SERVER validator',
      '      greeter PRODUCER send greetings',
      '        trigger CONSUMER process greetings',
      '          trigger CLIENT invoke image',
      '            image SERVER image',
      '          trigger PRODUCER send cards',
    ]);

    const greeter = one(spans, 'greeter');
    assert.equal(greeter.attributes['faas.name'], 'greeter');
    assert.equal(greeter.attributes['faas.trigger'], 'http');
    assert.equal(greeter.attributes['faas.coldstart'], true);
    assert.equal(typeof greeter.attributes['faas.invocation_id'], 'string');
    assert.equal(typeof greeter.attributes['faas.instance'], 'string');
    const send = one(spans, 'send greetings');
    assert.equal(send.attributes['messaging.destination.name'], 'greetings');
    assert.notEqual(send.attributes['messaging.destination.partition.id'], undefined);
    const process = one(spans, 'process greetings');
    assert.ok(Number(process.attributes['spoor.queue.wait']) >= 0);
    assert.deepEqual(
      process.links.map((link) => link.spanId),
      [send.spanId],
      'the consumer span links to the producer span',
    );
    assert.equal(one(spans, 'image').attributes['faas.trigger'], 'pubsub');
    assert.ok(spans.every((span) => span.status.code !== STATUS_CODE.error));
  });

  test('cold-start phases appear on the first call of a function and not on the second', async () => {
    const { traceId } = await greet(up, { name: 'Grace', language: 'en' });
    const spans = await settledTrace(up, traceId, 'send cards');
    assert.deepEqual(
      spans.map((span) => span.name).filter((name) => COLD_START_PHASES.includes(name)),
      [],
    );
    assert.equal(one(spans, 'greeter').attributes['faas.coldstart'], false);
  });

  test("the caller's W3C context is continued", async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const answer = await greet(
      up,
      { name: 'Edsger', language: 'de' },
      { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
    );
    assert.equal(answer.traceId, traceId);
    const spans = await fetchSettledTrace(up.query, traceId, {
      quietMs: 300,
      timeoutMs: 5_000,
      until: (all) => all.some((span) => span.name === 'send cards'),
    });
    assert.equal(one(spans, 'POST /greetings').parentSpanId, '00f067aa0ba902b7');
  });

  test('a malformed traceparent starts a new trace instead of failing the request', async () => {
    const answer = await greet(
      up,
      { name: 'Barbara', language: 'es' },
      { traceparent: '00-00000000000000000000000000000000-zz-01' },
    );
    assert.equal(answer.status, 202);
    assert.match(answer.traceId, /^(?!0{32})[0-9a-f]{32}$/);
  });
});
