/**
 * Calls a function through the real platform while what receives its spans misbehaves: a collector that never answers, answers
 * late, answers 500, and a spool whose disk is full. The callers must not feel it, and afterwards every span must be there, or be
 * counted among the dropped.
 *
 * Each condition is held against a healthy collector in pairs of short blocks, now the one first, now the other, so that what the
 * machine does besides falls on both alike. The first condition is a healthy one: how far its ratios are from 1 is the noise.
 *
 *     broken healthy · healthy broken · broken healthy · healthy broken …        as many pairs as the calls asked for make;
 *                                                                               look: undecided? then as many again, while there is time
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { startPlatformPart } from '../../cli/parts/platform.ts';
import { placesOf } from '../../cli/settings.ts';
import { silentLog } from '../../server/log.ts';
import { spoor } from '../support/spoor.ts';
import { Ballast } from './ballast.ts';
import { Beside, type MoodName, type Seen } from './beside.ts';
import { compareInPairs, median, type Ratio } from './ratio.ts';

export interface DeliveryOptions {
  /** Calls in each condition; a healthy collector has as many beside each. */
  readonly calls: number;
  /** Calls of a block. */
  readonly block: number;
  /** How often the calls so far are doubled while they leave p50 or p99 undecided. */
  readonly doublings: number;
  readonly atOnce: number;
  /** A folder on a file system of its own that is small enough to be filled; undefined: that condition is left out. */
  readonly smallDisk: string | undefined;
  /** No pair begins after so long. */
  readonly maxMs: number;
}

export interface ConditionResult extends Seen {
  readonly condition: string;
  readonly pairs: number;
  /** In the condition and in its healthy blocks together; each leaves one span of the function. */
  readonly calls: number;
  /** Calls that were not answered 200, in the condition and in its healthy blocks. */
  readonly errors: number;
  readonly healthyErrors: number;
  /** Medians of the blocks. */
  readonly p50Ms: number;
  readonly healthyP50Ms: number;
  readonly p99Ms: number;
  readonly healthyP99Ms: number;
  /** Condition to healthy. */
  readonly p50: Ratio;
  readonly p99: Ratio;
  readonly seconds: number;
}

const FUNCTION = 'hello';
/** Until the code of all that is on the way is compiled. */
const WARM_UP = 2_000;
/** What a condition lasts at least, however short its calls: until the agent has noticed. */
const LEAST_MS = 400;

interface Condition {
  readonly name: string;
  readonly mood: MoodName;
  readonly fillsDisk?: boolean;
}

const CONDITIONS: readonly Condition[] = [
  { name: 'a healthy collector', mood: 'healthy' },
  { name: 'a collector that never answers', mood: 'silent' },
  { name: 'a slow collector', mood: 'slow' },
  { name: 'a collector that answers 500', mood: 'failing' },
  { name: 'a full disk', mood: 'failing', fillsDisk: true },
];

interface Calls {
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** `onResult` is told each condition as soon as it is known. */
export async function runDelivery(
  options: DeliveryOptions,
  onResult: (result: ConditionResult) => void,
): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'spoor-delivery-'));
  const places = placesOf(data);
  mkdirSync(places.journals, { recursive: true });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => {
    for (const path of [data, places.journals, places.run]) rmSync(path, { recursive: true, force: true });
  });
  const beside = stack.use(
    await Beside.start(places.journals, join(options.smallDisk ?? data, 'agent-spool')),
  );
  const platform = stack.use(
    await startPlatformPart(
      { data, host: '127.0.0.1', routerPort: 0, internalPort: 0, kafka: { brokers: [] } },
      silentLog(),
    ),
  );
  const { router, internal } = platform.endpoints as { router: string; internal: string };
  await deploy(internal);
  const callers = new Pool(router, { connections: options.atOnce });
  stack.defer(() => callers.destroy());
  await callMany(callers, 'warm', WARM_UP, options.atOnce);
  await beside.tell('settle');

  const until = Date.now() + options.maxMs;
  const conditions = CONDITIONS.filter(({ fillsDisk }) => !fillsDisk || options.smallDisk !== undefined);
  for (const [i, condition] of conditions.entries()) {
    // What is left of the time is shared by those that are left.
    const share = Date.now() + (until - Date.now()) / (conditions.length - i);
    onResult(await measure(condition, beside, callers, options, share));
  }
}

async function measure(
  condition: Condition,
  beside: Beside,
  callers: Pool,
  options: DeliveryOptions,
  until: number,
): Promise<ConditionResult> {
  const { atOnce, block, smallDisk } = options;
  const from = Date.now();
  // The agent makes room by giving up what was delivered: that is taken too.
  using ballast = condition.fillsDisk ? new Ballast(join(smallDisk as string, 'ballast')) : undefined;
  const bad: Calls[] = [];
  const healthy: Calls[] = [];
  const call = (into: Calls[]) =>
    callMany(callers, condition.name, block, atOnce).then((calls) => into.push(calls));
  const inCondition = async () => {
    await beside.tell({ mood: condition.mood });
    await ballast?.fill();
    await Promise.all([call(bad), condition.mood !== 'healthy' && sleep(LEAST_MS)]);
    await ballast?.remove();
    await beside.tell({ mood: 'healthy' });
    await beside.tell('catch up');
  };
  const inHealth = async () => {
    await call(healthy);
    await beside.tell('catch up');
  };
  const ratioOf = (what: 'p50Ms' | 'p99Ms') =>
    compareInPairs(bad.map((calls, i) => [calls[what], (healthy[i] as Calls)[what]]));

  await beside.tell('forget');
  let pairs = Math.ceil(options.calls / block);
  for (let doublings = 0; ; doublings += 1) {
    while (bad.length < pairs && (bad.length === 0 || Date.now() < until)) {
      const halves = bad.length % 2 === 0 ? [inCondition, inHealth] : [inHealth, inCondition];
      for (const half of halves) await half();
    }
    const isDecided = [ratioOf('p50Ms'), ratioOf('p99Ms')].every(({ finding }) => finding !== 'undecided');
    if (isDecided || doublings === options.doublings || Date.now() >= until) break;
    pairs *= 2;
  }
  const seen = await beside.tell('settle');
  const middle = (list: readonly Calls[], what: 'p50Ms' | 'p99Ms') =>
    median(list.map((calls) => calls[what]));
  return {
    condition: condition.name,
    pairs: bad.length,
    calls: 2 * bad.length * block,
    errors: sumOf(bad),
    healthyErrors: sumOf(healthy),
    p50Ms: middle(bad, 'p50Ms'),
    healthyP50Ms: middle(healthy, 'p50Ms'),
    p99Ms: middle(bad, 'p99Ms'),
    healthyP99Ms: middle(healthy, 'p99Ms'),
    p50: ratioOf('p50Ms'),
    p99: ratioOf('p99Ms'),
    seconds: Math.round((Date.now() - from) / 1_000),
    ...seen,
  };
}

async function deploy(internal: string): Promise<void> {
  const code = join(import.meta.dirname, 'hello.js');
  for (const verb of [
    ['env', 'create', '--name', 'node', '--image', 'ghcr.io/fission/node-env'],
    ['fn', 'create', '--name', FUNCTION, '--env', 'node', '--code', code].concat(
      ['--url', `/${FUNCTION}`],
      ['--method', 'GET'],
    ),
  ]) {
    const done = await spoor(verb, { env: { SPOOR_SERVER: internal } });
    if (done.exitCode !== 0) throw new Error(`spoor ${verb.join(' ')}: ${done.stderr}`);
  }
}

async function callMany(router: Pool, call: string, count: number, atOnce: number): Promise<Calls> {
  const latencies: number[] = [];
  let errors = 0;
  let left = count;
  const path = `/${FUNCTION}?call=${encodeURIComponent(call)}`;
  const caller = async () => {
    while (left-- > 0) {
      const from = performance.now();
      const isOk = await router.request({ path, method: 'GET' }).then(
        async ({ statusCode, body }) => (await body.text()) === 'hello' && statusCode === 200,
        () => false,
      );
      latencies.push(performance.now() - from);
      if (!isOk) errors += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, caller));
  latencies.sort((a, b) => a - b);
  const quantile = (q: number) => latencies[Math.floor(latencies.length * q)] ?? Number.NaN;
  return { errors, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

function sumOf(list: readonly Calls[]): number {
  return list.reduce((sum, { errors }) => sum + errors, 0);
}
