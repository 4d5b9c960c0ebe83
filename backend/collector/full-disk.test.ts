import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { span, temporaryFolder } from '../store/testing.ts';
import { tracesProtobuf } from './testing.ts';

const DISK = '96m';
const FILLER_BYTES = 64 * 1024 * 1024;
const SPANS_PER_REQUEST = 100;
const BYTES_PER_SPAN = 20_000;

void test(
  'a full disk stops acknowledgements, not the server, and it recovers by itself',
  { timeout: 120_000 },
  async () => {
    await using folder = await temporaryFolder();
    await using backend = await onSmallDisk(folder.path);
    await writeFile(backend.filler, randomBytes(FILLER_BYTES));
    const acknowledged: string[] = [];
    let answer = await post(backend.url);
    for (; answer.status === 200; answer = await post(backend.url)) {
      acknowledged.push(answer.traceId);
      assert.ok(acknowledged.length < 1000, 'the disk never fills up');
    }
    assert.equal(answer.status, 503);
    assert.ok(Number(answer.retryAfter) > 0, `Retry-After is [${answer.retryAfter}]`);
    // It lives, and still says so; what it keeps can be asked for.
    assert.equal((await post(backend.url)).status, 503);
    assert.equal(await backend.spansOf(acknowledged[0] as string), SPANS_PER_REQUEST);
    await rm(backend.filler);
    for (answer = await post(backend.url); answer.status === 503; answer = await post(backend.url))
      await sleep(50);
    assert.equal(answer.status, 200);
    for (const traceId of [...acknowledged, answer.traceId])
      assert.equal(await backend.spansOf(traceId), SPANS_PER_REQUEST);
  },
);

interface Backend extends AsyncDisposable {
  readonly url: string;
  /** A file on the same disk. */
  readonly filler: string;
  readonly spansOf: (traceId: string) => Promise<number>;
}

/** A backend whose data directory is a file system of its own, in a mount namespace that ends with it: no rights are needed. */
async function onSmallDisk(folder: string): Promise<Backend> {
  const script = join(import.meta.dirname, 'testing-backend.ts');
  const mount = `mount -t tmpfs -o size=${DISK} tmpfs "$1" && exec "$2" "$3" "$1"`;
  const child = spawn(
    'unshare',
    [process.getuid?.() === 0 ? '-m' : '-Urm', 'sh', '-c', mount, 'sh', folder, process.execPath, script],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value, done } = await lines.next();
  assert.ok(
    !done,
    'cannot start a backend on a file system of its own: this test needs unshare(1) and mount(8)',
  );
  return {
    url: value,
    filler: join(`/proc/${child.pid}/root`, folder, 'filler'),
    async spansOf(traceId) {
      child.stdin.write(`${traceId}\n`);
      return Number((await lines.next()).value);
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function post(
  url: string,
): Promise<{ readonly traceId: string; readonly status: number; readonly retryAfter: string | null }> {
  const { traceId } = span();
  const spans = Array.from({ length: SPANS_PER_REQUEST }, () =>
    // Hexadecimal of chance: half of it remains when compressed.
    span({ traceId, attributes: { noise: randomBytes(BYTES_PER_SPAN / 2).toString('hex') } }),
  );
  const response = await fetch(`${url}/v1/traces`, {
    method: 'POST',
    body: tracesProtobuf(spans),
    headers: { 'content-type': 'application/x-protobuf' },
  });
  await response.arrayBuffer();
  return { traceId, status: response.status, retryAfter: response.headers.get('retry-after') };
}
