import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SpanData } from '../../function/span/span-data.ts';
import type { CauseKindJson } from '../../backend/query/shapes.ts';
import { ControlClient } from '../../platform/spec/client.ts';
import { greet, type SpoorUp } from '../support/spoor.ts';
import { deployPlanted } from './deploy.ts';

/** One thing that can go wrong, planted from outside; the rules that must find it know nothing of it. */
export interface Fault {
  readonly name: string;
  readonly expected: CauseKindJson;
  /** Function, service or peer to which the cause must be traced; not asked when absent. */
  readonly owner?: string;
  /** Makes it happen once; gives the trace it happened in. */
  readonly plant: (site: Site) => Promise<string>;
  /** How many runs it spoils, its own included; one if not given. */
  readonly spoils?: number;
  /** The same without the fault, to have something to compare with. */
  readonly healthy: (site: Site) => Promise<string>;
  /** The trace has arrived in full. */
  readonly arrived: (spans: readonly SpanData[]) => boolean;
}

export interface Site {
  readonly up: SpoorUp;
  /** A server outside, which nobody traces: `/ok`, `/slow` (800 ms), `/503`, `/package/…` (the worker's source after 1,200 ms). */
  readonly outside: string;
  /** Nobody listens here. */
  readonly nowhere: string;
}

export async function openSite(up: SpoorUp): Promise<Site & AsyncDisposable> {
  const worker = await readFile(join(import.meta.dirname, 'functions', 'worker.js'), 'utf8');
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    if (url === '/503') response.writeHead(503);
    if (url.startsWith('/package/'))
      // Never the same twice: what is known is not fetched again.
      void sleep(1_200).then(() => response.end(`${worker}\n// ${url}\n`));
    else void sleep(url === '/slow' ? 800 : 2).then(() => response.end('ok'));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const closed = createServer();
  await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
  const nowhere = `http://127.0.0.1:${(closed.address() as AddressInfo).port}`;
  await new Promise((done) => closed.close(done));
  return {
    up,
    outside: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    nowhere,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

type Body = Record<string, unknown>;

const NAMES = ['Ada', 'Grace', 'Edsger', 'Barbara', 'Linus', 'Margaret'];
const greeting =
  (fault?: string) =>
  async ({ up }: Site) => {
    const name = NAMES[Math.floor(Math.random() * NAMES.length)];
    return (await greet(up, { name, language: 'en', ...(fault ? { fault } : {}) })).traceId;
  };
export const call = (name: string, body: Body | ((site: Site) => Body)) => (site: Site) =>
  post(site.up, name, typeof body === 'function' ? body(site) : body);
export const send =
  (topic: string, value: Body, key = 'k') =>
  (site: Site) =>
    post(site.up, 'sender', { topic, key, value });

const hasSpan =
  (name: string, count = 1) =>
  (spans: readonly SpanData[]) =>
    spans.filter((span) => span.name === name).length >= count;
const isRooted = (spans: readonly SpanData[]) =>
  spans.some((span) => span.parentSpanId === '' && span.kind === 2);
const isConsumed = (spans: readonly SpanData[]) => spans.some((span) => span.kind === 5);

export const FAULTS: readonly Fault[] = [
  {
    name: 'slow handler',
    expected: 'slow handler',
    owner: 'validator',
    plant: greeting('slow'),
    healthy: greeting(),
    arrived: hasSpan('send cards'),
  },
  {
    name: 'poison message',
    expected: 'poison message',
    owner: 'image',
    plant: greeting('error'),
    healthy: greeting(),
    arrived: hasSpan('send greetings-errors'),
  },
  {
    name: 'SIGKILL',
    expected: 'killed',
    owner: 'image',
    plant: greeting('crash'),
    healthy: greeting(),
    arrived: hasSpan('send greetings-errors'),
  },
  {
    name: 'timeout',
    expected: 'timeout',
    owner: 'image',
    plant: greeting('timeout'),
    healthy: greeting(),
    arrived: hasSpan('send greetings-errors'),
  },
  {
    name: 'exception',
    expected: 'thrown',
    owner: 'worker',
    plant: call('worker', { fault: 'throw' }),
    healthy: call('worker', {}),
    arrived: isRooted,
  },
  {
    name: 'exception in a called function',
    expected: 'thrown',
    owner: 'target',
    plant: call('front', ({ up }) => ({ target: `${up.router}/target?fault=throw` })),
    healthy: call('front', ({ up }) => ({ target: `${up.router}/target` })),
    arrived: isRooted,
  },
  {
    name: 'wrong status',
    expected: 'wrong status',
    owner: 'worker',
    plant: call('worker', { fault: 'status' }),
    healthy: call('worker', {}),
    arrived: isRooted,
  },
  {
    name: 'process exits',
    expected: 'exited',
    owner: 'worker',
    plant: call('worker', { fault: 'exit' }),
    healthy: call('worker', {}),
    arrived: isRooted,
  },
  {
    name: 'out of memory',
    expected: 'out of memory',
    owner: 'hog',
    plant: call('hog', { fault: 'memory' }),
    healthy: call('hog', {}),
    arrived: isRooted,
  },
  {
    name: 'slow downstream',
    expected: 'slow downstream call',
    plant: call('worker', ({ outside }) => ({ call: { url: `${outside}/slow` } })),
    healthy: call('worker', ({ outside }) => ({ call: { url: `${outside}/ok` } })),
    arrived: isRooted,
  },
  {
    name: 'dependency down',
    expected: 'dead dependency',
    plant: call('worker', ({ nowhere }) => ({ call: { url: nowhere } })),
    healthy: call('worker', ({ outside }) => ({ call: { url: `${outside}/ok` } })),
    arrived: isRooted,
  },
  {
    name: 'dependency answers 503',
    expected: 'wrong status',
    plant: call('worker', ({ outside }) => ({ call: { url: `${outside}/503` }, fault: 'status' })),
    healthy: call('worker', ({ outside }) => ({ call: { url: `${outside}/ok` } })),
    arrived: isRooted,
  },
  {
    name: 'retry storm',
    expected: 'retry storm',
    plant: call('worker', ({ nowhere }) => ({ call: { url: nowhere, times: 12 } })),
    healthy: call('worker', ({ outside }) => ({ call: { url: `${outside}/ok` } })),
    arrived: isRooted,
  },
  {
    name: 'CPU burn',
    expected: 'CPU burn',
    owner: 'worker',
    plant: call('worker', { fault: 'burn' }),
    healthy: call('worker', {}),
    arrived: isRooted,
  },
  {
    name: 'starved of CPU',
    expected: 'starved of CPU',
    owner: 'meek',
    plant: withCpuTaken(call('meek', { fault: 'give way' })),
    healthy: call('meek', {}),
    arrived: isRooted,
  },
  {
    name: 'blocked loop',
    expected: 'blocked event loop',
    owner: 'worker',
    plant: call('worker', { fault: 'block' }),
    healthy: call('worker', {}),
    arrived: isRooted,
  },
  {
    name: 'noisy neighbour',
    expected: 'noisy neighbour',
    owner: 'crowd',
    plant: async (site) => {
      const noisy = post(site.up, 'crowd', { fault: 'burn' });
      await sleep(200);
      const traceId = await post(site.up, 'crowd', {});
      await noisy;
      return traceId;
    },
    healthy: call('crowd', {}),
    arrived: isRooted,
  },
  {
    name: 'cold start: fetch',
    expected: 'cold start: fetch package',
    owner: 'parcel',
    plant: async (site) => {
      const client = new ControlClient(site.up.internal);
      const parcel = await client.get('Package', { name: 'parcel', namespace: 'default' });
      if (!parcel) throw new Error('there is no package [parcel]');
      const url = `${site.outside}/package/${randomBytes(6).toString('hex')}.js`;
      await client.put({ ...parcel, spec: { ...parcel.spec, deployment: { type: 'url', url } } });
      return post(site.up, 'parcel', {});
    },
    healthy: call('parcel', {}),
    arrived: isRooted,
  },
  {
    name: 'pool empty',
    expected: 'pool empty',
    owner: 'pooler',
    plant: withFlag('start', callBeyondPool),
    healthy: async (site) => {
      const traceId = await post(site.up, 'pooler', {});
      // Until the pool is filled up again, also from a process that began under the flag.
      await sleep(2_000);
      return traceId;
    },
    arrived: isRooted,
  },
  {
    name: 'cold start: load',
    expected: 'cold start: load function',
    owner: 'fresh',
    plant: withFlag('load', call('fresh', {})),
    healthy: call('fresh', {}),
    arrived: isRooted,
  },
  {
    name: 'cold start: start',
    expected: 'cold start: start instance',
    owner: 'starter',
    plant: withFlag('start', call('starter', {})),
    healthy: call('starter', {}),
    arrived: isRooted,
  },
  {
    name: 'concurrency limit',
    expected: 'throttled',
    owner: 'lone',
    plant: whileBusy('lone', call('lone', {})),
    healthy: call('lone', {}),
    arrived: isRooted,
  },
  {
    name: 'throttled consumer',
    expected: 'throttled',
    owner: 'busy',
    plant: whileBusy('busy', send('busy', {})),
    healthy: send('busy', {}),
    arrived: isConsumed,
  },
  {
    name: 'queue lag by few partitions',
    expected: 'queue lag: few partitions',
    owner: 'work',
    plant: async (site) => {
      for (let i = 0; i < 8; i += 1) await send('work', { sleepMs: 200 })(site);
      return send('work', {})(site);
    },
    spoils: 9,
    healthy: send('work', {}),
    arrived: isConsumed,
  },
  {
    name: 'queue lag by rebalance',
    expected: 'queue lag: consumer away',
    owner: 'absent',
    plant: async (site) => {
      const client = new ControlClient(site.up.internal);
      const reference = { name: 'absent', namespace: 'default' };
      const trigger = await client.get('MessageQueueTrigger', reference);
      if (!trigger) throw new Error('there is no trigger [absent]');
      await client.delete('MessageQueueTrigger', reference);
      await sleep(100);
      const traceId = await send('absent', {})(site);
      await sleep(1_200);
      await client.create(trigger);
      return traceId;
    },
    healthy: send('absent', {}),
    arrived: isConsumed,
  },
  {
    name: 'dead letter',
    expected: 'poison message',
    owner: 'reader',
    plant: send('work', { fault: 'throw' }),
    healthy: send('work', {}),
    arrived: hasSpan('send work-errors'),
  },
  {
    name: 'backend lag',
    expected: 'backend lag',
    plant: async (site) => {
      const agent = await site.up.partPid('agent');
      process.kill(agent, 'SIGSTOP');
      try {
        const traceId = await post(site.up, 'worker', {});
        await sleep(5_500);
        return traceId;
      } finally {
        process.kill(agent, 'SIGCONT');
      }
    },
    healthy: call('worker', {}),
    arrived: isRooted,
  },
  {
    name: 'queue lag by a slow consumer',
    expected: 'queue lag: slow consumer',
    owner: 'work',
    plant: async (site) => {
      await send('work', { sleepMs: 1_200 })(site);
      return send('work', {})(site);
    },
    spoils: 2,
    healthy: send('work', {}),
    arrived: isConsumed,
  },
  {
    name: 'one bad record in a batch',
    expected: 'batch with bad records',
    plant: async (site) => {
      // While the first is worked on, the others gather.
      await send('batches', { sleepMs: 500 })(site);
      await send('batches', {})(site);
      const bad = await send('batches', { bad: true })(site);
      await send('batches', {})(site);
      return bad;
    },
    healthy: send('batches', {}),
    arrived: isConsumed,
  },
  {
    name: 'bad deploy: does not load',
    expected: 'bad deploy',
    owner: 'release',
    plant: withRelease('broken'),
    healthy: call('release', {}),
    arrived: isRooted,
  },
  {
    name: 'bad deploy: always throws',
    expected: 'bad deploy',
    owner: 'release',
    plant: withRelease('worse'),
    healthy: call('release', {}),
    arrived: isRooted,
  },
  {
    name: 'lost context',
    expected: 'lost context',
    owner: 'front',
    plant: call('front', ({ up }) => ({ target: `${up.router}/target`, raw: true })),
    healthy: call('front', ({ up }) => ({ target: `${up.router}/target` })),
    arrived: isRooted,
  },
  {
    name: 'clock skew',
    expected: 'clock skew',
    plant: twoHosts(-5_000),
    healthy: twoHosts(0),
    arrived: (spans) => spans.length >= 2,
  },
];

/** Longer than the longest time-out of a planted function. */
const CALL_TIMEOUT_MS = 30_000;

async function post(up: SpoorUp, name: string, body: Body): Promise<string> {
  const response = await fetch(`${up.router}/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
  });
  await response.arrayBuffer();
  return response.headers.get('traceresponse')?.split('-')[1] ?? '';
}

/** A process that starts under the flag `start` takes `ms` longer to. */
export function withFlag(name: 'start' | 'load', plant: Fault['plant'], ms = 1_200): Fault['plant'] {
  return async (site) => {
    const file = join(tmpdir(), `spoor-fault-${name}`);
    await writeFile(file, String(ms));
    try {
      return await plant(site);
    } finally {
      await rm(file);
    }
  };
}

/** The first call takes the warm instance; the second, whose trace it is, comes before there is another. */
export async function callBeyondPool(site: Site): Promise<string> {
  const first = post(site.up, 'pooler', {});
  await sleep(30);
  const traceId = await post(site.up, 'pooler', {});
  await first;
  return traceId;
}

/** Others compute on every core: below what matters here, but above who gives way. */
function withCpuTaken(plant: Fault['plant']): Fault['plant'] {
  return async (site) => {
    const takers = Array.from({ length: 2 * availableParallelism() }, () =>
      spawn('nice', ['-n', '5', 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' }),
    );
    try {
      await sleep(200);
      return await plant(site);
    } finally {
      for (const taker of takers) taker.kill('SIGKILL');
    }
  };
}

/** Its only place is taken for a while. */
function whileBusy(name: string, plant: Fault['plant']): Fault['plant'] {
  return async (site) => {
    // What was sent before must not sit in that place.
    await sleep(600);
    const taken = post(site.up, name, { sleepMs: 1_200 });
    await sleep(150);
    const traceId = await plant(site);
    await taken;
    return traceId;
  };
}

/** A release goes out, is called once, and is taken back. */
function withRelease(source: string): Fault['plant'] {
  return async (site) => {
    await deployPlanted(site.up, { release: source });
    try {
      return await post(site.up, 'release', {});
    } finally {
      await deployPlanted(site.up);
    }
  };
}

/** A call between two hosts that are traced by others, whose spans come in as OTLP; the callee's clock is off by so many ms. */
function twoHosts(offMs: number): Fault['plant'] {
  return async ({ up }) => {
    const traceId = randomBytes(16).toString('hex');
    const [call, served] = [randomBytes(8).toString('hex'), randomBytes(8).toString('hex')];
    const start = Date.now() - 500;
    const span = (service: string, of: Body, fromMs: number, toMs: number) => ({
      resource: {
        attributes: [
          { key: 'service.name', value: { stringValue: service } },
          { key: 'host.name', value: { stringValue: service } },
        ],
      },
      scopeSpans: [
        {
          scope: {},
          spans: [
            {
              traceId,
              startTimeUnixNano: `${fromMs}000000`,
              endTimeUnixNano: `${toMs}000000`,
              attributes: [],
              status: {},
              ...of,
            },
          ],
        },
      ],
    });
    const response = await fetch(`${up.otlpHttp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        resourceSpans: [
          span('shop', { spanId: call, name: 'GET /stock', kind: 3 }, start, start + 120),
          span(
            'stock',
            { spanId: served, parentSpanId: call, name: 'GET /stock', kind: 2 },
            start + 20 + offMs,
            start + 100 + offMs,
          ),
        ],
      }),
    });
    if (!response.ok) throw new Error(`the collector answered ${response.status}: ${await response.text()}`);
    return traceId;
  };
}
