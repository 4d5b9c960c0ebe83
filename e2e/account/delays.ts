import { setTimeout as sleep } from 'node:timers/promises';
import type { SpanData } from '../../function/span/span-data.ts';
import type { StageJson } from '../../backend/query/shapes.ts';
import { call, callBeyondPool, FAULTS, send, withFlag, type Fault } from '../faults/kinds.ts';

/** One delay of known length, planted in one stage of an invocation that otherwise takes no time. */
export interface Delay {
  readonly name: string;
  readonly stage: StageJson;
  /** Function or topic that spends it; absent: whoever does. */
  readonly owner?: string;
  /** At least so long. */
  readonly ms: number;
  readonly plant: Fault['plant'];
  readonly healthy: Fault['healthy'];
  readonly arrived: (spans: readonly SpanData[]) => boolean;
}

const REFILL_MS = 2_000;

export const DELAYS: readonly Delay[] = [
  {
    ...planted('slow downstream'),
    name: 'handler',
    stage: 'handler',
    owner: 'worker',
    ms: 500,
    plant: call('worker', { sleepMs: 500 }),
    healthy: call('worker', {}),
  },
  {
    ...planted('lost context'),
    name: 'handler of a called function',
    stage: 'handler',
    owner: 'target',
    ms: 900,
    plant: call('front', ({ up }) => ({ target: `${up.router}/target?fault=block` })),
    healthy: call('front', ({ up }) => ({ target: `${up.router}/target` })),
  },
  { ...planted('slow downstream'), name: 'downstream call', stage: 'downstream call', ms: 790 },
  {
    ...planted('cold start: fetch'),
    name: 'fetch package',
    stage: 'fetch package',
    owner: 'parcel',
    ms: 1_190,
  },
  {
    ...planted('cold start: load'),
    name: 'load function',
    stage: 'load function',
    owner: 'fresh',
    ms: 1_190,
  },
  {
    ...planted('cold start: start'),
    name: 'start instance',
    stage: 'start instance',
    owner: 'starter',
    ms: 1_190,
  },
  {
    ...planted('pool empty'),
    name: 'start instance of a pool',
    stage: 'start instance',
    owner: 'pooler',
    ms: 990,
    // Both come from no pool and run code that is not warm yet, beside the start of the one that fills the pool up.
    plant: callBeyondFull(1_500),
    healthy: callBeyondFull(500),
  },
  { ...planted('throttled consumer'), name: 'throttle', stage: 'throttle', owner: 'busy', ms: 500 },
  {
    ...planted('queue lag by a slow consumer'),
    name: 'queue wait',
    stage: 'queue wait',
    owner: 'work',
    ms: 900,
  },
  {
    ...planted('queue lag by rebalance'),
    name: 'queue wait for a consumer',
    stage: 'queue wait',
    owner: 'absent',
    ms: 1_150,
  },
  { ...planted('noisy neighbour'), name: 'transfer', stage: 'transfer', owner: 'crowd', ms: 300 },
  {
    name: 'retry back-off',
    stage: 'retry back-off',
    ms: 200,
    plant: send('patient', { fault: 'throw' }),
    healthy: send('hasty', { fault: 'throw' }),
    arrived: (spans) => spans.some(({ name }) => /^send .*-errors$/.test(name)),
  },
];

/** What is called and sent over and over: ways in and out, over HTTP and topics, well and badly, warm and cold. */
export const SHAPES: readonly Fault['healthy'][] = [
  planted('slow handler').healthy,
  call('worker', {}),
  planted('lost context').healthy,
  planted('slow downstream').healthy,
  planted('exception').plant,
  planted('exception in a called function').plant,
  planted('wrong status').plant,
  planted('dependency down').plant,
  planted('retry storm').plant,
  call('worker', { sleepMs: 20 }),
  send('work', {}),
  send('batches', {}),
  send('busy', {}),
  planted('slow handler').healthy,
  call('fresh', {}),
];

function planted(name: string): Fault {
  const fault = FAULTS.find((each) => each.name === name);
  if (!fault) throw new Error(`there is no fault [${name}]`);
  return fault;
}

/** Begins and ends with the pool filled up: also a process that began to start while that was slow is ready by then. */
function callBeyondFull(startMs: number): Fault['plant'] {
  const slow = withFlag('start', callBeyondPool, startMs);
  return async (site) => {
    await sleep(REFILL_MS);
    const traceId = await slow(site);
    await sleep(REFILL_MS);
    return traceId;
  };
}
