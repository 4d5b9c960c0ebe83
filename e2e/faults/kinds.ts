import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SpanData } from '../../function/span/span-data.ts';
import type { CauseKindJson } from '../../backend/query/shapes.ts';
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
  /** The same without the fault, to have something to compare with. */
  readonly healthy: (site: Site) => Promise<string>;
  /** The trace has arrived in full. */
  readonly arrived: (spans: readonly SpanData[]) => boolean;
}

export interface Site {
  readonly up: SpoorUp;
  /** A server outside, which nobody traces: `/ok`, `/slow` (800 ms), `/503`. */
  readonly outside: string;
  /** Nobody listens here. */
  readonly nowhere: string;
}

export async function openSite(up: SpoorUp): Promise<Site & AsyncDisposable> {
  const server = createServer((request, response) => {
    if (request.url === '/503') response.writeHead(503);
    void sleep(request.url === '/slow' ? 800 : 2).then(() => response.end('ok'));
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
const call = (name: string, body: Body | ((site: Site) => Body)) => (site: Site) =>
  post(site.up, name, typeof body === 'function' ? body(site) : body);
const send =
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
    name: 'queue lag by a slow consumer',
    expected: 'queue lag',
    owner: 'work',
    plant: async (site) => {
      await send('work', { sleepMs: 1_200 })(site);
      return send('work', {})(site);
    },
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

async function post(up: SpoorUp, name: string, body: Body): Promise<string> {
  const response = await fetch(`${up.router}/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  await response.arrayBuffer();
  return response.headers.get('traceresponse')?.split('-')[1] ?? '';
}

function withFlag(name: string, plant: Fault['plant']): Fault['plant'] {
  return async (site) => {
    const file = join(tmpdir(), `spoor-fault-${name}`);
    await writeFile(file, '');
    try {
      return await plant(site);
    } finally {
      await rm(file);
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
