/**
 * `node e2e/delivery/run.ts [--calls 10000] [--rounds 8] [--at-once 8] [--minutes 7] [--small-disk DIR]`: prints a JSON line for each
 * condition, and exits 1 when a call failed or a span is neither there nor counted. DIR must be a small file system of its own, which
 * is filled; without it one is mounted where the system lets an ordinary user do that.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runDelivery } from './delivery.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '8' },
    'at-once': { type: 'string', default: '8' },
    minutes: { type: 'string', default: '7' },
    'small-disk': { type: 'string' },
  },
});
const options = {
  calls: wholeNumber('--calls', values.calls),
  rounds: wholeNumber('--rounds', values.rounds),
  atOnce: wholeNumber('--at-once', values['at-once']),
  maxMs: wholeNumber('--minutes', values.minutes) * 60_000,
  smallDisk: values['small-disk'],
};
if (options.smallDisk === undefined) onSmallDisk();

let faults = 0;
await runDelivery(options, (result) => {
  console.log(JSON.stringify(result));
  // Dropped are counted of all services together.
  const isAccounted =
    result.arrived === result.calls ||
    (result.droppedSpans > 0 && result.arrived + result.droppedSpans >= result.calls);
  if (result.errors + result.healthyErrors > 0 || !isAccounted) faults += 1;
});
process.exit(faults === 0 ? 0 : 1);

/** Runs all of this again on a tmpfs in a mount namespace of its own, which is gone with it; returns where that cannot be had. */
function onSmallDisk(): void {
  const disk = mkdtempSync(join(tmpdir(), 'spoor-disk-'));
  const mounted = (command: string, ...args: string[]) =>
    spawnSync(
      'unshare',
      ['--user', '--map-root-user', '--mount', 'sh', '-c'].concat(
        [`mount -t tmpfs -o size=4m tmpfs "$1" && ${command}`, 'sh', disk],
        args,
      ),
      { stdio: command === 'true' ? 'ignore' : 'inherit' },
    ).status;
  try {
    if (mounted('true') !== 0) {
      console.error('cannot mount a small disk here: the condition "a full disk" is left out');
      return;
    }
    const own = [...process.argv.slice(2), '--small-disk', disk];
    process.exitCode =
      mounted('disk=$1 && shift && exec "$@"', process.execPath, import.meta.filename, ...own) ?? 1;
  } finally {
    rmSync(disk, { recursive: true, force: true });
  }
  process.exit();
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  console.error(`cannot use ${name} [${text}]: it must be a whole number above 0`);
  process.exit(2);
}
