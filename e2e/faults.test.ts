import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { STATUS_CODE, type SpanData } from '../function/span/span-data.ts';
import { textOf } from '../cli/trace/text-of.ts';
import { assertOneTree, one, settledTrace } from './support/traces.ts';
import { deployGreetings, greet, spoorUp, type SpoorUp } from './support/spoor.ts';

const ATTEMPTS = 3;

describe('each fault of a greeting is told by its trace', () => {
  let up: SpoorUp;
  before(async () => {
    up = await spoorUp();
    await deployGreetings(up);
    const { traceId } = await greet(up, { name: 'warm', language: 'en' });
    await settledTrace(up, traceId, 'send cards');
  });
  after(async () => {
    await up[Symbol.asyncDispose]();
  });

  test('a slow validator is the slow span', async () => {
    const { traceId } = await greet(up, { name: 'Ada', language: 'en', fault: 'slow' });
    const spans = await settledTrace(up, traceId, 'send cards');
    assertOneTree(spans);
    const validator = one(spans, 'validator');
    assert.ok(durationMs(validator) >= 1_000, `validator took ${durationMs(validator)} ms`);
    assert.ok(durationMs(validator) > durationMs(one(spans, 'POST /greetings')) * 0.8);
  });

  test('an image function that throws: the exception with its stack, each retry, and the error record', async () => {
    const { traceId } = await greet(up, { name: 'Ada', language: 'en', fault: 'error' });
    const spans = await settledTrace(up, traceId, 'send greetings-errors');
    assertOneTree(spans);
    assertAttempts(spans);
    for (const image of spans.filter((span) => span.name === 'image')) {
      assert.equal(image.status.code, STATUS_CODE.error);
      const exception = image.events.find((event) => event.name === 'exception');
      assert.ok(exception, 'an exception event');
      assert.match(textOf(exception.attributes['exception.stacktrace']), /\n\s+at /);
    }
  });

  test('an image function killed with SIGKILL: its span closed with the reason, with the child it had ended', async () => {
    const { traceId } = await greet(up, { name: 'Ada', language: 'en', fault: 'crash' });
    const spans = await settledTrace(up, traceId, 'send greetings-errors');
    assertOneTree(spans);
    assertAttempts(spans);
    const images = spans.filter((span) => span.name === 'image');
    assert.equal(images.length, ATTEMPTS);
    for (const image of images) {
      assert.equal(image.status.code, STATUS_CODE.error);
      assert.equal(image.attributes['spoor.unfinished'], true);
      assert.equal(image.attributes['spoor.end.reason'], 'signal');
      assert.equal(image.attributes['spoor.end.signal'], 'SIGKILL');
      const children = spans.filter((span) => span.parentSpanId === image.spanId);
      assert.ok(
        children.some(
          (child) =>
            child.status.code !== STATUS_CODE.error && child.attributes['spoor.unfinished'] === undefined,
        ),
        'a child that had ended stands as it was',
      );
      assert.ok(
        children.some((child) => child.attributes['spoor.unfinished'] === true),
        'a child that was open is marked',
      );
    }
  });

  test('an image function that runs past its time-out says so', async () => {
    const { traceId } = await greet(up, { name: 'Ada', language: 'en', fault: 'timeout' });
    const spans = await settledTrace(up, traceId, 'send greetings-errors');
    assertOneTree(spans);
    assertAttempts(spans);
    for (const image of spans.filter((span) => span.name === 'image')) {
      assert.equal(image.attributes['spoor.end.reason'], 'timeout');
      assert.match(image.status.message, /time-?out/i);
    }
    const [attempt] = spans.filter((span) => span.name === 'invoke image');
    assert.equal(attempt?.attributes['spoor.reason'], 'function_timeout');
  });

  test('the record on the error topic carries the trace, the original and the reason', async () => {
    const { traceId } = await greet(up, { name: 'Zoë', language: 'fr', fault: 'error' });
    await settledTrace(up, traceId, 'send greetings-errors');
    const response = await fetch(`${up.internal}/topics/greetings-errors/records?limit=100`);
    const records = (await response.json()) as { value: string; headers: [string, string][] }[];
    const decode = (base64: string) => Buffer.from(base64, 'base64').toString();
    const record = records.find(({ headers }) =>
      headers.some(([name, value]) => name === 'traceparent' && decode(value).includes(traceId)),
    );
    assert.ok(record, 'a record whose traceparent names the trace');
    assert.match(decode(record.value), /Zoë/);
    const headers = new Map(record.headers.map(([name, value]) => [name.toLowerCase(), decode(value)]));
    assert.ok(
      [...headers.values()].includes(String(ATTEMPTS)),
      `attempts in ${JSON.stringify([...headers])}`,
    );
  });
});

function assertAttempts(spans: readonly SpanData[]): void {
  const attempts = spans.filter((span) => span.name === 'invoke image');
  assert.deepEqual(
    attempts.map((span) => Number(span.attributes['spoor.attempt'])).sort((a, b) => a - b),
    Array.from({ length: ATTEMPTS }, (_, i) => i + 1),
  );
  assert.ok(attempts.every((span) => span.status.code === STATUS_CODE.error));
}

function durationMs(span: SpanData): number {
  return Number(span.endTimeUnixNano - span.startTimeUnixNano) / 1e6;
}
