import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FunctionGroupJson } from '../../../backend/query/shapes.ts';
import { compareVersions } from './compare-versions.ts';

const version = (value: string, over: Partial<FunctionGroupJson>): FunctionGroupJson => ({
  value,
  version: value,
  invocations: 10,
  errors: 0,
  coldStarts: 1,
  p50Nano: '1000000',
  p99Nano: '4000000',
  firstSeenUnixNano: '0',
  lastSeenUnixNano: '0',
  ...over,
});

void test('a version is held against the one before it', () => {
  const [newest, oldest] = compareVersions([
    version('2', { invocations: 30, errors: 6, p50Nano: '1500000', p99Nano: '2000000' }),
    version('1', {}),
  ]);
  assert.deepEqual(
    [newest?.share, newest?.errorRate, newest?.p50Change, newest?.p99Change, newest?.errorChange],
    [0.75, 0.2, 0.5, -0.5, 0.2],
  );
  assert.deepEqual(
    [oldest?.p50Change, oldest?.p99Change, oldest?.errorChange, oldest?.coldRate],
    [undefined, undefined, undefined, 0.1],
  );
});

void test('of a few calls no change is told', () => {
  const [newest] = compareVersions([version('2', { invocations: 4 }), version('1', {})]);
  assert.deepEqual([newest?.p50Change, newest?.errorChange], [undefined, undefined]);
});
