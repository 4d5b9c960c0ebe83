import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttributeValue } from '../span/span-data.ts';
import { encodeResource } from './otlp.ts';
import { ProtoBuffer, putVarint64, varint64Size, varintSize } from './proto-buffer.ts';
import { decodeTraces } from './test/otlp-decoder.ts';

void test('a varint takes the bytes it was said to take, for every bit', () => {
  const bytes = new Uint8Array(16);
  for (let bit = 0n; bit < 64n; bit++) {
    for (const value of [1n << bit, (1n << bit) - 1n, BigInt.asUintN(64, ~(1n << bit))]) {
      const low = Number(value & 0xffffffffn);
      const high = Number(value >> 32n);
      const end = putVarint64(bytes, 0, low, high);
      assert.equal(end, varint64Size(low, high), String(value));
      let back = 0n;
      for (let i = end - 1; i >= 0; i--) back = (back << 7n) | BigInt((bytes[i] as number) & 0x7f);
      assert.equal(back, value);
      if (value <= BigInt(Number.MAX_SAFE_INTEGER)) assert.equal(varintSize(Number(value)), end);
    }
  }
});

void test('a field of any length is closed with the shortest length', () => {
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 2_100_000]) {
    const out = new ProtoBuffer(8);
    const start = out.open(0x0a);
    out.raw(new Uint8Array(length).fill(7));
    out.close(start);
    const expected = new ProtoBuffer(8);
    expected.field(0x0a, new Uint8Array(length).fill(7));
    assert.deepEqual(out.copy(), expected.copy());
  }
});

void test('every type of attribute value comes back as it was', () => {
  const attributes: Record<string, AttributeValue> = {
    text: 'grüße',
    empty: '',
    yes: true,
    no: false,
    int: 5n,
    negative: -5n,
    largest: 2n ** 63n - 1n,
    smallest: -(2n ** 63n),
    double: -0.5,
    bytes: new Uint8Array([0, 255]),
    nothing: null,
    list: ['a', 1n, [true]],
    map: { key: 'value', inner: { deep: 2n } },
  };
  const resource = encodeResource(attributes);
  // ExportTraceServiceRequest { resource_spans = 1 { resource = 1, scope_spans = 2 { spans = 2 {} } } }
  const out = new ProtoBuffer(8);
  const outer = out.open(0x0a);
  out.field(0x0a, resource);
  out.field(0x12, new Uint8Array([0x12, 0]));
  out.close(outer);
  assert.deepEqual(decodeTraces(Buffer.from(out.copy()))[0]?.resource, attributes);
});
