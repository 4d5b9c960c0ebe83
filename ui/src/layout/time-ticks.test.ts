import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatMoment, timeTicks } from './time-ticks.ts';

const at = (hours: number, minutes = 0) => Date.UTC(2026, 0, 15, hours, minutes);
const clock = (ms: number) => new Date(ms).toISOString().slice(11, 16);

void test('ticks stand on round moments, few enough to be read', () => {
  assert.deepEqual(timeTicks(at(12, 7), at(13, 7), 6, 0).map(clock), [
    '12:10',
    '12:20',
    '12:30',
    '12:40',
    '12:50',
    '13:00',
  ]);
  assert.deepEqual(timeTicks(at(3, 30), at(9, 30), 6, 0).map(clock), [
    '04:00',
    '05:00',
    '06:00',
    '07:00',
    '08:00',
    '09:00',
  ]);
});

void test('days begin at the midnight of the reader', () => {
  const [first] = timeTicks(at(0), at(0) + 5 * 86_400_000, 6, -5 * 3_600_000);
  assert.equal(clock(first ?? 0), '05:00');
});

void test('there are never more than asked for, and none of nothing', () => {
  for (const length of [1_000, 61_000, 3_600_000, 86_400_000 * 9, 86_400_000 * 900])
    assert.ok(timeTicks(at(1), at(1) + length, 6, 0).length <= 6);
  assert.deepEqual(timeTicks(5, 5, 6, 0), []);
});

void test('a moment is told as finely as its stretch asks', () => {
  const local = new Date(2026, 0, 15, 14, 2, 9).getTime();
  assert.deepEqual(
    [60_000, 3_600_000, 86_400_000].map((length) => formatMoment(local, length)),
    ['14:02:09', '14:02', '15 Jan 14:02'],
  );
});
