/**
 * `node e2e/delivery/run.ts [--calls 10000] [--block 500] [--doublings 3] [--at-once 4] [--minutes 7] [--small-disk DIR]`: prints a JSON line
 * for each condition, then what was found of p50 and p99: at most 2 % slower than beside a healthy collector (`pass`), slower than
 * that (`fail`), or undecided. Exits 1 when a call failed or a span is neither there nor counted, and 3 when that is well and a p50
 * or p99 fails. DIR must be a small file system of its own, which is filled; without it one is mounted where the system lets an
 * ordinary user do that.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ConditionResult, runDelivery } from './delivery.ts';
import type { Ratio } from './ratio.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '10000' },
    block: { type: 'string', default: '500' },
    doublings: { type: 'string', default: '3' },
    'at-once': { type: 'string', default: '4' },
    minutes: { type: 'string', default: '7' },
    'small-disk': { type: 'string' },
  },
});
const options = {
  calls: wholeNumber('--calls', values.calls),
  block: wholeNumber('--block', values.block),
  doublings: wholeNumber('--doublings', values.doublings, 0),
  atOnce: wholeNumber('--at-once', values['at-once']),
  maxMs: wholeNumber('--minutes', values.minutes) * 60_000,
  smallDisk: values['small-disk'],
};
if (options.smallDisk === undefined) onSmallDisk();

let faults = 0;
const results: ConditionResult[] = [];
await runDelivery(options, (result) => {
  console.log(JSON.stringify(result));
  results.push(result);
  // Dropped are counted of all services together.
  const isAccounted =
    result.arrived === result.calls ||
    (result.droppedSpans > 0 && result.arrived + result.droppedSpans >= result.calls);
  if (result.errors + result.healthyErrors > 0 || !isAccounted) faults += 1;
});
console.log('\nto a healthy collector beside it, at most 1.02 times: median of the pairs [99 % interval]');
for (const { condition, pairs, calls, p50, p99 } of results)
  console.log(
    [condition.padEnd(32), told('p50', p50), told('p99', p99), `${pairs} pairs, ${calls} calls`].join('  '),
  );
const isSlow = results.some(({ p50, p99 }) => p50.finding === 'fail' || p99.finding === 'fail');
process.exit(faults > 0 ? 1 : isSlow ? 3 : 0);

function told(name: string, { median, low, high, finding }: Ratio): string {
  return `${name} ${median.toFixed(3)} [${low.toFixed(3)}..${high.toFixed(3)}] ${finding.padEnd(9)}`;
}

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

function wholeNumber(name: string, text: string, least = 1): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= least) return number;
  console.error(`cannot use ${name} [${text}]: it must be a whole number, ${least} or more`);
  process.exit(2);
}
