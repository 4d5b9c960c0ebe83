import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { Failure } from '../../server/failure.ts';
import type { LogData } from '../../function/span/span-data.ts';
import { LogColumns } from '../store/log-columns.ts';
import { SpanColumns } from '../store/span-columns.ts';
import { span } from '../store/testing.ts';
import { decodeBatch } from './jaeger-thrift.ts';
import { decodeLogsJson, decodeTracesJson } from './otlp-json.ts';
import { decodeLogs } from './otlp-logs.ts';
import { decodeTraces, type Decoded } from './otlp-traces.ts';
import { logsProtobuf, tracesJson, tracesProtobuf } from './testing.ts';
import { BinaryReader, CompactReader } from './thrift.ts';
import { decodeZipkin } from './zipkin.ts';

/** Mutated bodies per protocol: `SPOOR_TEST_FUZZ=1000000 node --test backend/collector/fuzz.test.ts`. */
const BODIES = Number(process.env['SPOOR_TEST_FUZZ'] ?? 2_000);

const spans = [span({ attributes: { text: 'ünï', int: 7n, list: ['a', { b: 1.5 }] } }), span()];
const endpoint = { serviceName: 'a', ipv4: '10.0.0.1', ipv6: '::1', port: 80 };
const zipkin = {
  traceId: 'ab'.repeat(16),
  id: 'cd'.repeat(8),
  parentId: 'ef'.repeat(8),
  name: 'a',
  kind: 'CLIENT',
  timestamp: 1,
  duration: 2,
  localEndpoint: endpoint,
  remoteEndpoint: endpoint,
  annotations: [{ timestamp: 1, value: 'b' }],
  tags: { a: 'b', error: 'no' },
};
const zipkinV1 = {
  traceId: 'ab'.repeat(16),
  id: 'cd'.repeat(8),
  name: 'a',
  timestamp: 1,
  duration: 2,
  annotations: [
    { timestamp: 1, value: 'cs', endpoint },
    { timestamp: 3, value: 'cr', endpoint },
  ],
  binaryAnnotations: [
    { key: 'a', value: 'b', endpoint },
    { key: 'sa', value: true, endpoint },
  ],
};
const log = {
  timeUnixNano: 1n,
  observedTimeUnixNano: 1n,
  severityNumber: 9,
  severityText: 'INFO',
  body: ['a', 1n],
  traceId: 'ab'.repeat(16),
  spanId: 'cd'.repeat(8),
  attributes: {},
  resource: {},
  scope: { name: '', version: '' },
};

const logJson = {
  resourceLogs: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'a' } }] },
      scopeLogs: [
        {
          scope: { name: 'a', version: '1' },
          logRecords: [
            {
              ...log,
              timeUnixNano: '1',
              observedTimeUnixNano: '1',
              body: { arrayValue: { values: [{ intValue: '1' }, { kvlistValue: { values: [] } }] } },
              attributes: [{ key: 'a', value: { doubleValue: 0.5 } }],
            },
          ],
        },
      ],
    },
  ],
};

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const cases: readonly [string, Buffer, (body: Buffer, columns: SpanColumns) => Decoded | undefined][] = [
  ['OTLP protobuf', tracesProtobuf(spans), decodeTraces],
  ['OTLP JSON', Buffer.from(tracesJson(spans)), decodeTracesJson],
  ['OTLP logs', logsProtobuf([log]), (body) => storeLogs(decodeLogs(body))],
  ['OTLP logs JSON', json(logJson), (body) => storeLogs(decodeLogsJson(body))],
  ['Zipkin JSON', json([zipkin, zipkin]), decodeZipkin],
  ['Zipkin JSON v1', json([zipkinV1, zipkinV1]), decodeZipkin],
  ['Thrift binary', thriftBinary(), (body, columns) => decodeBatch(new BinaryReader(body).struct(), columns)],
  [
    'Thrift compact',
    thriftCompact(),
    (body, columns) => decodeBatch(new CompactReader(body).struct(), columns),
  ],
];

for (const [name, good, decode] of cases)
  void test(`mutated bodies: ${name}`, () => {
    const columns = new SpanColumns();
    const whole = decode(good, columns);
    assert.equal(whole?.rejected ?? 0, 0);
    assert.equal(columns.rows, whole?.accepted ?? 0);
    columns.clear();
    const isJson = name.includes('JSON');
    for (let round = 0; round < BODIES; round += 1) {
      const body = isJson && round % 2 === 0 ? otherValue(good) : otherBytes(good);
      const cut = round % 5 === 0 ? body.subarray(0, randomInt(body.length)) : body;
      const before = columns.rows;
      columns.mark(1);
      try {
        const decoded = decode(cut, columns);
        assert.equal(columns.rows - before, decoded?.accepted ?? 0);
      } catch (error) {
        assert.ok(error instanceof Failure && error.reason === 'bad_request', String(error));
        columns.rollback(1);
        assert.equal(columns.rows, before);
      }
      // Each column has as many rows as the block says, whatever was rolled back.
      if (columns.rows > 500) {
        assert.ok(columns.encode().length > 0);
        columns.clear();
      }
    }
  });

const LOGS_A_BLOCK = 200;
const unwritten: LogData[] = [];

/** What was decoded can be written, too. */
function storeLogs(logs: readonly LogData[]): undefined {
  unwritten.push(...logs);
  if (unwritten.length < LOGS_A_BLOCK) return;
  const columns = new LogColumns();
  for (const one of unwritten.splice(0)) columns.addLog(one);
  assert.ok(columns.encode().length > 0);
}

function otherBytes(good: Buffer): Buffer {
  const body = Buffer.from(good);
  for (let bytes = randomInt(1, 9); bytes > 0; bytes -= 1) body[randomInt(body.length)] = randomInt(256);
  return body;
}

const ODD_VALUES: readonly string[] = [
  'null|true|0|-1|1.5|1e308|9007199254740993|"18446744073709551616"|""|"x"|"0x1"|"\\ud800"|"\\u0000"',
  '[]|{}|[[]]|[null]|{"":null}|{"__proto__":{"a":1}}',
  `${'['.repeat(200)}${']'.repeat(200)}`,
].flatMap((values) => values.split('|'));

/** One value somewhere in it is another, so that it is JSON still. */
function otherValue(good: Buffer): Buffer {
  const at = randomInt(good.length);
  let found = 0;
  const text = good
    .toString()
    .replaceAll(/"(?:[^"\\]|\\.)*"(?!:)|-?\d[\d.eE+-]*|true|null/g, (value, offset: number) => {
      if (found > 0 || offset + value.length < at) return value;
      found += 1;
      return ODD_VALUES[randomInt(ODD_VALUES.length)] as string;
    });
  return Buffer.from(text);
}

/** Batch { 1: Process { 1: "a" }, 2: [ Span ] }, as jaeger-thrift.ts has the fields. */
function thriftBinary(): Buffer {
  const i64 = (field: number, value: bigint) => {
    const bytes = Buffer.alloc(11);
    bytes[0] = 10;
    bytes.writeInt16BE(field, 1);
    bytes.writeBigInt64BE(value, 3);
    return bytes;
  };
  const head = (type: number, field: number) => Buffer.from([type, field >> 8, field & 0xff]);
  const text = (field: number, value: string) => {
    const size = Buffer.alloc(4);
    size.writeInt32BE(Buffer.byteLength(value));
    return Buffer.concat([head(11, field), size, Buffer.from(value)]);
  };
  const one = Buffer.concat([
    i64(1, 5n),
    i64(2, 6n),
    i64(3, 7n),
    i64(4, 0n),
    text(5, 'operation'),
    i64(8, 1_000n),
    i64(9, 10n),
    head(15, 10),
    Buffer.from([12, 0, 0, 0, 1]),
    text(1, 'key'),
    head(8, 2),
    Buffer.from([0, 0, 0, 0]),
    text(3, 'value'),
    Buffer.from([0, 0]),
  ]);
  return Buffer.concat([
    head(12, 1),
    text(1, 'service'),
    Buffer.from([0]),
    head(15, 2),
    Buffer.from([12, 0, 0, 0, 1]),
    one,
    Buffer.from([0]),
  ]);
}

function thriftCompact(): Buffer {
  const text = (head: number, value: string) => Buffer.from([head, value.length, ...Buffer.from(value)]);
  return Buffer.concat([
    Buffer.from([0x1c]),
    text(0x18, 'service'),
    Buffer.from([0x00, 0x19, 0x1c]),
    // i64 1..4 by zigzag, the name, then 8 and 9 across a gap, a list of one tag
    Buffer.from([0x16, 10, 0x16, 12, 0x16, 14, 0x16, 0]),
    text(0x18, 'operation'),
    Buffer.from([0x36, 100, 0x16, 20, 0x19, 0x1c]),
    text(0x18, 'key'),
    Buffer.from([0x15, 0]),
    text(0x18, 'value'),
    Buffer.from([0x00, 0x00, 0x00]),
  ]);
}
