import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { SPAN_KIND, STATUS_CODE } from '../../function/span/span-data.ts';
import { silentLog } from '../../server/log.ts';
import { openStore } from '../store/open-store.ts';
import { temporaryFolder } from '../store/testing.ts';
import { startCollector } from './collector.ts';

const run = promisify(execFile);
const sender = join(import.meta.dirname, 'python-sender');
const INSTALL_TIMEOUT_MS = 5 * 60_000;
const SEND_TIMEOUT_MS = 60_000;

void test(
  "Python's own OTLP exporters round-trip every field",
  { timeout: 2 * INSTALL_TIMEOUT_MS },
  async () => {
    const python = await pythonWithExporters();
    await using folder = await temporaryFolder();
    await using store = await openStore({ dataDir: folder.path });
    await using collector = await startCollector({
      store: store.writer,
      httpPort: 0,
      grpcPort: 0,
      log: silentLog(),
      limits: { batchWaitMs: 5 },
    });
    const { grpcUrl } = collector;
    for (const args of [
      ['http', `${collector.url}/v1/traces`],
      ['http', `${collector.url}/v1/traces`, 'gzip'],
      ['grpc', grpcUrl as string],
      ['grpc', grpcUrl as string, 'gzip'],
    ]) {
      const { stdout } = await run(python, [join(sender, 'send.py'), ...args], { timeout: SEND_TIMEOUT_MS });
      const { traceId, parentId, childId, start } = JSON.parse(stdout) as Record<string, string>;
      const found = await store.reader.trace(traceId as string);
      assert.equal(found.length, 2, args.join(' '));
      const one = found.find(({ spanId }) => spanId === childId);
      assert.ok(one);
      assert.equal(one.parentSpanId, parentId);
      assert.equal(one.name, 'send greetings');
      assert.equal(one.kind, SPAN_KIND.producer);
      assert.equal(one.startTimeUnixNano, BigInt(start as string));
      assert.equal(one.endTimeUnixNano - one.startTimeUnixNano, 25_000_001n);
      assert.deepEqual(one.status, { code: STATUS_CODE.error, message: 'no broker' });
      assert.deepEqual(one.attributes, {
        text: 'ünï',
        int: 2n ** 53n + 1n,
        double: 1.5,
        bool: true,
        texts: ['a', 'b'],
        numbers: [1n, 2n],
      });
      assert.equal(one.resource['service.name'], 'python-sender');
      assert.equal(one.resource['replica'], 3n);
      assert.equal(one.resource['telemetry.sdk.language'], 'python');
      assert.deepEqual([one.scope.name, one.scope.version], ['receivers', '1.2']);
      assert.deepEqual(one.events, [
        {
          timeUnixNano: one.startTimeUnixNano + 5n,
          name: 'retry',
          attributes: { attempt: 2n },
          droppedAttributesCount: 0,
        },
      ]);
      assert.deepEqual(
        one.links.map(({ traceId, spanId, attributes }) => ({ traceId, spanId, attributes })),
        [
          {
            traceId: `${'0'.repeat(28)}abcd`,
            spanId: `${'0'.repeat(14)}ef`,
            attributes: { why: 'batch' },
          },
        ],
      );
    }
  },
);

/** A virtual environment with the exporters, made once below `node_modules/.cache`; two processes may make it at once. */
async function pythonWithExporters(): Promise<string> {
  const requirements = join(sender, 'requirements.txt');
  const interpreter = process.env['SPOOR_PYTHON'] || 'python3';
  const { stdout: version } = await run(interpreter, [
    '-c',
    'import sys; print(sys.version, sys.executable)',
  ]);
  const digest = createHash('sha256')
    .update(version + readFileSync(requirements, 'utf8'))
    .digest('hex')
    .slice(0, 16);
  const cache = resolve(import.meta.dirname, '../../node_modules/.cache/spoor');
  const directory = join(cache, `otlp-sender-${digest}`);
  const python = join(directory, 'bin/python');
  if (existsSync(directory)) return python;
  mkdirSync(cache, { recursive: true });
  const unfinished = `${directory}.${process.pid}`;
  try {
    await run(interpreter, ['-m', 'venv', unfinished], { timeout: INSTALL_TIMEOUT_MS });
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps'];
    await run(join(unfinished, 'bin/python'), [...pip, '-r', requirements], { timeout: INSTALL_TIMEOUT_MS });
    renameSync(unfinished, directory);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(directory)) throw error;
  }
  return python;
}
