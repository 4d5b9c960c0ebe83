import assert from 'node:assert/strict';
import { SpanKind } from '@opentelemetry/api';
import { test } from 'node:test';
import { parseCron } from './cron.ts';
import { startTestPlatform, timeTrigger } from './test/test-platform.ts';

const NOON = Date.parse('2026-07-01T12:00:00Z');

const NEXT: readonly (readonly [cron: string, next: string])[] = [
  ['*/5 * * * *', '2026-07-01T12:05:00Z'],
  ['30 */5 * * * *', '2026-07-01T12:00:30Z'],
  ['@hourly', '2026-07-01T13:00:00Z'],
  ['@every 1h30m', '2026-07-01T13:30:00Z'],
  ['CRON_TZ=Europe/Berlin 0 15 * * *', '2026-07-01T13:00:00Z'],
  ['TZ=America/New_York 0 9 * * MON-FRI', '2026-07-01T13:00:00Z'],
];

for (const [cron, next] of NEXT)
  void test(`${cron} fires next at ${next}`, () => {
    assert.equal(parseCron(cron).next(NOON), Date.parse(next));
  });

for (const cron of [
  '',
  'x',
  '* * *',
  '61 * * * *',
  '@every',
  '@every soon',
  '@every 0s',
  'CRON_TZ=Mars/Base * * * * *',
])
  void test(`cron [${cron}] is refused by its value`, () => {
    assert.throws(() => parseCron(cron), { name: 'Failure', message: /cannot parse cron \[/ });
  });

void test('@every counts from its last firing, whatever was missed', () => {
  const schedule = parseCron('@every 10s');
  assert.equal(schedule.next(NOON, NOON - 4_000), NOON + 6_000);
  assert.equal(schedule.next(NOON, NOON - 34_000), NOON + 6_000);
});

void test('each firing is a root span with the invocation below it, and no time fires twice over a restart', async () => {
  const first = Promise.withResolvers<void>();
  const third = Promise.withResolvers<void>();
  let calls = 0;
  await using platform = await startTestPlatform(() => {
    calls += 1;
    first.resolve();
    if (calls === 3) third.resolve();
    return {};
  });
  platform.catalog.put(timeTrigger({ subpath: '/sub', method: 'PUT' }));
  await first.promise;
  await platform.restart();
  await platform.restart();
  await third.promise;
  platform.catalog.delete(timeTrigger());
  await platform.triggers.settled();
  const timers = platform.spans.filter(({ name }) => name === 'timer every-second');
  const times = timers.map(({ attributes }) => attributes['spoor.timer.scheduled']);
  assert.equal(new Set(times).size, times.length);
  assert.equal(timers.length, platform.requests.length);
  const [timer] = timers;
  assert.ok(timer);
  assert.equal(timer.options.kind, SpanKind.INTERNAL);
  assert.equal(timer.parentSpanId, '');
  assert.equal(timer.attributes['faas.trigger'], 'timer');
  assert.equal(timer.attributes['faas.cron'], '* * * * * *');
  const invoke = platform.spans.find(({ parentSpanId }) => parentSpanId === timer.context.spanId);
  assert.equal(invoke?.name, 'invoke tick');
  const [request] = platform.requests;
  assert.equal(request?.method, 'PUT');
  assert.equal(request.path, '/fission-function/default/tick/sub');
  assert.equal(request.headers['x-fission-timer-name'], 'every-second');
  assert.equal(request.headers['x-spoor-trigger'], 'timer');
});

void test('a timer with a bad cron is a fault of its own', async () => {
  await using platform = await startTestPlatform(() => ({}));
  platform.catalog.put(timeTrigger({ cron: 'never' }));
  await platform.triggers.settled();
  assert.match(String(platform.triggers.faults.get('default/every-second')), /cannot parse cron \[never\]/);
});
