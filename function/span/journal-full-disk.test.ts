import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

/**
 * A tmpfs of 1 MiB, mounted in a mount namespace of the child's own, so that nothing outside sees it and it is gone with
 * the child. Needs unprivileged user namespaces or root, and util-linux's unshare.
 */
const IN_SMALL_TMPFS = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" "$3" "$1" "$4"';

for (const transport of ['map', 'write'] as const) {
  void test(`a full file system costs spans, counted, and not the process (${transport})`, () => {
    const child = spawnSync(
      'unshare',
      [
        '--user',
        '--map-root-user',
        '--mount',
        'sh',
        '-c',
        IN_SMALL_TMPFS,
        'sh',
        '/mnt',
        process.execPath,
        join(import.meta.dirname, 'test', 'full-disk-writer.ts'),
        transport,
      ],
      { encoding: 'utf8' },
    );
    assert.equal(child.signal, null, child.stderr);
    assert.equal(child.status, 0, child.stderr);
    const result = JSON.parse(child.stdout) as {
      ballastBytes: number;
      transport: string;
      whileFull: number;
      dropped: number;
      spans: number;
      problems: string[];
    };
    assert.ok(result.ballastBytes > 0 && result.ballastBytes < 1_048_576, 'the file system was full');
    assert.equal(result.transport, transport);
    assert.ok(result.whileFull > 4000);
    assert.equal(result.dropped, result.whileFull, 'none is dropped once there is room again');
    assert.equal(result.spans + result.dropped, 5110);
    assert.deepEqual(result.problems, []);
  });
}
