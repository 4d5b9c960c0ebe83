import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../server/log.ts';
import { FRAME_HEADER_BYTES, writeFrameHeader } from './frame.ts';
import { Spool } from './spool.ts';

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'spoor-spool-'));
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function frameOf(number: number, bytes = 30_000): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + bytes).fill(number);
  writeFrameHeader(frame, 'traces', 1);
  return frame;
}

function readAll(spool: Spool): number[] {
  const numbers: number[] = [];
  for (;;) {
    const batch = spool.read(100_000);
    if (batch === undefined) return numbers;
    numbers.push(...batch.frames.map((frame) => frame.payload[0] as number));
    spool.acknowledge(batch);
  }
}

void test('a disk that is full holds the frames back until it is not, and loses none', () => {
  using folder = new Folder();
  const spool = new Spool(folder.path, 512 * 1024, silentLog());
  symlinkSync('/dev/full', join(folder.path, '2.spool')); // the second file meets a disk without room
  for (let i = 1; i <= 4; i++) spool.append(frameOf(i), 'traces', 1);
  assert.equal(spool.isHolding, true);
  assert.deepEqual(readAll(spool), [1, 2]);
  assert.equal(spool.isEmpty, false);
  assert.equal(spool.retryHeld(), true);
  assert.deepEqual(readAll(spool), [3, 4]);
  assert.equal(spool.isEmpty, true);
  assert.deepEqual(spool.dropped, { spans: 0, logs: 0 });
  spool.close();
});

void test('what was delivered makes room on a disk that has no more, for it may fill it alone', () => {
  using folder = new Folder();
  // A limit of 100 KiB for a file stands for the small disk.
  const script = `
    import { Spool } from ${JSON.stringify(import.meta.resolve('./spool.ts'))};
    import { silentLog } from ${JSON.stringify(import.meta.resolve('../../server/log.ts'))};
    import { FRAME_HEADER_BYTES, writeFrameHeader } from ${JSON.stringify(import.meta.resolve('./frame.ts'))};
    const spool = new Spool(process.argv[1], 64 * 1024 * 1024, silentLog());
    const taken = [];
    for (let number = 1; number <= 12; number += 1) {
      const frame = new Uint8Array(FRAME_HEADER_BYTES + 30_000).fill(number);
      writeFrameHeader(frame, 'traces', 1);
      spool.append(frame, 'traces', 1);
      if (spool.isHolding) break;
      const batch = spool.read(100_000);
      taken.push(...batch.frames.map(({ payload }) => payload[0]));
      spool.acknowledge(batch);
    }
    console.log(JSON.stringify({ taken, isEmpty: spool.isEmpty, dropped: spool.dropped }));`;
  const limited = ['-c', 'ulimit -f 200 && exec "$@"', 'sh', process.execPath];
  const args = [...limited, '--input-type=module', '-e', script, folder.path];
  const child = spawnSync('sh', args, { encoding: 'utf8', timeout: 60_000 });
  assert.equal(child.status, 0, child.stderr);
  assert.deepEqual(JSON.parse(child.stdout), {
    taken: Array.from({ length: 12 }, (_, i) => i + 1),
    isEmpty: true,
    dropped: { spans: 0, logs: 0 },
  });
});

void test('a spool goes on after a kill where it was, past a frame that broke off', () => {
  using folder = new Folder();
  const first = new Spool(folder.path, 1024 * 1024, silentLog());
  for (let i = 1; i <= 9; i++) first.append(frameOf(i), 'traces', 1);
  const batch = first.read(70_000);
  assert.ok(batch);
  first.acknowledge(batch);
  const last = readdirSync(folder.path)
    .filter((name) => name.endsWith('.spool'))
    .sort()
    .at(-1) as string;
  appendFileSync(join(folder.path, last), frameOf(99).subarray(0, 12_345)); // killed in the middle of a write
  const second = new Spool(folder.path, 1024 * 1024, silentLog());
  assert.equal(second.waiting.spans, 7);
  second.append(frameOf(10), 'traces', 1);
  assert.deepEqual(readAll(second), [3, 4, 5, 6, 7, 8, 9, 10]);
  second.close();
  first.close();
  assert.equal(new Spool(folder.path, 1024 * 1024, silentLog()).isEmpty, true);
});

void test('a spool file of nonsense is skipped', () => {
  using folder = new Folder();
  writeFileSync(join(folder.path, '1.spool'), Buffer.alloc(100_000, 0x5a));
  const spool = new Spool(folder.path, 1024 * 1024, silentLog());
  spool.append(frameOf(1), 'traces', 1);
  assert.deepEqual(readAll(spool), [1]);
  spool.close();
});
