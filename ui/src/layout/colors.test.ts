import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignColors, HUES } from './colors.ts';

void test('a service has the same colour on every page, whatever order it comes in', () => {
  const one = assignColors(['greeter', 'image', 'validator']);
  const other = assignColors(['validator', 'greeter', 'image', 'router']);
  for (const service of one.keys()) assert.equal(other.get(service), one.get(service));
});

void test('no two services share a colour while there are enough', () => {
  const colors = assignColors(Array.from({ length: HUES }, (_, i) => `service-${i}`));
  assert.equal(new Set(colors.values()).size, HUES);
});

void test("the platform's parts are grey, and a name like `constructor` is no part", () => {
  assert.equal(assignColors(['router']).get('router'), 'var(--part-router)');
  assert.match(assignColors(['constructor']).get('constructor') ?? '', /^var\(--hue-\d\)$/);
});
