import type { SPAN_KIND } from '../../span/span-data.ts';
import type { Ask } from './environment-process.ts';

/**
 * What every environment must do, whatever its language: a function, the requests to it, the answers, the spans.
 * The twins differ in their sources only. A source that a language has no way to say is left out.
 */
export interface Case {
  readonly name: string;
  readonly source: Partial<Record<Language, Source>>;
  /** How it is loaded, when not simply so: a 2xx. */
  readonly load?: { readonly status: number; readonly contains: string };
  readonly requests: readonly Exchange[];
  /** All at once rather than one by one. */
  readonly concurrent?: boolean;
}

export type Language = 'node' | 'python';

export interface Source {
  readonly files: Readonly<Record<string, string>>;
  /** What to specialize with below the folder of `files`; '' is the folder. */
  readonly filepath: string;
  /** Fission's functionName. */
  readonly entry: string;
}

export interface Exchange {
  readonly ask: Ask;
  readonly expect: Expected;
  /** Instead of an answer's body: what is sent over a websocket, and what comes back for each. */
  readonly webSocket?: readonly (readonly [sent: string, received: string])[];
}

export interface Expected {
  /** 0: the connection is cut before the answer is whole. */
  readonly status: number;
  readonly text?: string;
  readonly json?: unknown;
  /** The body as base64. */
  readonly bytes?: string;
  /** Text that the body must contain. */
  readonly contains?: string;
  /** A string for a header that comes once, an array for one that is repeated. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** The SERVER span this request leaves; undefined: not looked at. */
  readonly span?: ExpectedSpan;
  /** What the function asked of others meanwhile, in order. */
  readonly calls?: readonly ExpectedCall[];
}

export interface ExpectedSpan {
  readonly error: boolean;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  /** Numbers that are measured: the least and the most that each may be. */
  readonly between?: Readonly<Record<string, readonly [least: number, most: number]>>;
  /** Its exception event; null: there is none; undefined: not looked at. */
  readonly exception?: { readonly message: string } | null;
  readonly parentSpanId?: string;
  readonly traceId?: string;
  /** Names of the spans right below it, in order of their start. */
  readonly children?: readonly ExpectedChild[];
  /** Bodies of the log records that carry its ids and its invocation's, in order; each `[body, severity]` or a part of one. */
  readonly logs?: readonly ExpectedLog[];
}

export interface ExpectedChild {
  readonly name: string;
  readonly kind: keyof typeof SPAN_KIND;
  readonly error?: boolean;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
}

export interface ExpectedLog {
  readonly contains: string;
  readonly severity: number;
  readonly stream: 'stdout' | 'stderr';
}

export interface ExpectedCall {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The span of the function's whose context the call brings, by name; null: it is left as the function made it. */
  readonly context: string | null;
}

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

export const CASES: readonly Case[] = [
  {
    name: 'a string is answered as HTML with the status given',
    source: {
      node: file(`module.exports = async (context) => ({ status: 201, body: 'hello' });`),
      python: python(`def main():\n    return 'hello', 201\n`),
    },
    requests: [
      {
        ask: {},
        expect: { status: 201, text: 'hello', headers: { 'content-type': 'text/html; charset=utf-8' } },
      },
    ],
  },
  {
    name: 'an object is answered as JSON',
    source: {
      node: file(`module.exports = async () => ({ status: 200, body: { greeting: 'hello' } });`),
      python: python(`def main():\n    return {'greeting': 'hello'}\n`),
    },
    requests: [{ ask: {}, expect: { status: 200, json: { greeting: 'hello' } } }],
  },
  {
    name: 'headers of the answer arrive',
    source: {
      node: file(
        `module.exports = async () => ({ status: 200, body: '<svg/>', headers: { 'Content-Type': 'image/svg+xml', 'X-Card': '1' } });`,
      ),
      python: python(
        `def main():\n    return '<svg/>', 200, {'Content-Type': 'image/svg+xml', 'X-Card': '1'}\n`,
      ),
    },
    requests: [
      {
        ask: {},
        expect: { status: 200, text: '<svg/>', headers: { 'content-type': 'image/svg+xml', 'x-card': '1' } },
      },
    ],
  },
  {
    name: 'method, path, query, a header and a JSON body reach the function',
    source: {
      node: file(`module.exports = async ({ request }) => ({ status: 200, body: {
        method: request.method, path: request.path, q: request.query.q, header: request.get('X-Color'), name: request.body.name } });`),
      python: python(
        `from flask import request\ndef main():\n    return {'method': request.method, 'path': request.path, 'q': request.args.get('q'), 'header': request.headers.get('X-Color'), 'name': request.get_json()['name']}\n`,
      ),
    },
    requests: [
      {
        ask: {
          method: 'POST',
          path: '/some/where?q=1',
          headers: { 'content-type': 'application/json', 'x-color': 'blue' },
          body: '{"name":"Ada"}',
        },
        expect: {
          status: 200,
          json: { method: 'POST', path: '/some/where', q: '1', header: 'blue', name: 'Ada' },
        },
      },
    ],
  },
  {
    name: 'every method reaches the function, PATCH too',
    source: {
      node: file(`module.exports = async ({ request }) => ({ status: 200, body: request.method });`),
      python: python(`from flask import request\ndef main():\n    return request.method\n`),
    },
    requests: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method) => ({
      ask: { method },
      expect: { status: 200, text: method },
    })),
  },
  {
    name: 'an entry point names file and function',
    source: {
      node: {
        files: { 'lib.js': `exports.greet = () => ({ status: 200, body: 'named' });` },
        filepath: '',
        entry: 'lib.greet',
      },
      python: { files: { 'lib.py': `def greet():\n    return 'named'\n` }, filepath: '', entry: 'lib.greet' },
    },
    requests: [{ ask: {}, expect: { status: 200, text: 'named' } }],
  },
  {
    name: 'a file that is the whole package is loaded by its own path, without an extension too',
    source: {
      node: {
        files: { user: `module.exports = () => ({ status: 200, body: 'single' });` },
        filepath: 'user',
        entry: '',
      },
      python: { files: { user: `def main():\n    return 'single'\n` }, filepath: 'user', entry: '' },
    },
    requests: [{ ask: {}, expect: { status: 200, text: 'single' } }],
  },
  {
    name: 'the span continues the caller and says what was called',
    source: {
      node: file(`module.exports = async () => ({ status: 200, body: 'ok' });`),
      python: python(`def main():\n    return 'ok'\n`),
    },
    requests: [
      {
        ask: {
          path: '/some/path?q=1',
          headers: {
            traceparent: `00-${TRACE}-${PARENT}-01`,
            'x-spoor-invocation-id': 'invocation-1',
            'x-spoor-trigger': 'pubsub',
            'x-spoor-coldstart': 'true',
            'x-fission-request-id': 'request-1',
          },
        },
        expect: {
          status: 200,
          span: {
            error: false,
            traceId: TRACE,
            parentSpanId: PARENT,
            attributes: {
              'faas.name': 'greeter',
              'faas.version': '7',
              'faas.instance': 'instance-1',
              'faas.invocation_id': 'invocation-1',
              'faas.trigger': 'pubsub',
              'faas.coldstart': true,
              'http.request.method': 'GET',
              'http.response.status_code': 200,
              'url.path': '/some/path',
              'spoor.request_id': 'request-1',
            },
          },
        },
      },
      {
        ask: { headers: { 'x-fission-request-id': 'request-2' } },
        expect: {
          status: 200,
          span: {
            error: false,
            parentSpanId: '',
            attributes: {
              'faas.invocation_id': 'request-2',
              'faas.trigger': 'http',
              'faas.coldstart': false,
            },
          },
        },
      },
    ],
  },
  {
    name: 'a traceparent that is none starts a trace of its own',
    source: {
      node: file(`module.exports = async () => ({ status: 200, body: 'ok' });`),
      python: python(`def main():\n    return 'ok'\n`),
    },
    requests: [
      {
        ask: { headers: { traceparent: `00-${'0'.repeat(32)}-${PARENT}-01` } },
        expect: { status: 200, span: { error: false, parentSpanId: '' } },
      },
    ],
  },
  {
    name: 'what the function throws is a 500 that keeps its secrets, and an exception in the trace',
    source: {
      node: file(`module.exports = async () => { throw new TypeError('no such color: secret'); };`),
      python: python(`def main():\n    raise TypeError('no such color: secret')\n`),
    },
    requests: [
      {
        ask: {},
        expect: {
          status: 500,
          contains: 'Internal server error',
          span: {
            error: true,
            attributes: { 'error.type': 'TypeError', 'http.response.status_code': 500 },
            exception: { message: 'no such color: secret' },
          },
        },
      },
    ],
  },
  {
    name: 'a 5xx of the function itself is an error, a 4xx is not',
    source: {
      node: file(
        `module.exports = async ({ request }) => ({ status: Number(request.query.status), body: 'x' });`,
      ),
      python: python(`from flask import request\ndef main():\n    return 'x', int(request.args['status'])\n`),
    },
    requests: [
      {
        ask: { path: '/?status=503' },
        expect: {
          status: 503,
          span: { error: true, attributes: { 'error.type': '503', 'http.response.status_code': 503 } },
        },
      },
      {
        ask: { path: '/?status=404' },
        expect: { status: 404, span: { error: false, attributes: { 'http.response.status_code': 404 } } },
      },
    ],
  },
  {
    name: 'a function that gives no answer is a 500, not silence',
    source: {
      node: file(`module.exports = () => {};`),
      python: python(`def main():\n    return None\n`),
    },
    requests: [{ ask: {}, expect: { status: 500, span: { error: true } } }],
  },
  {
    name: 'JSON that cannot be parsed is the client’s fault',
    source: {
      node: file(`module.exports = async ({ request }) => ({ status: 200, body: request.body });`),
      python: python(`from flask import request\ndef main():\n    return request.get_json()\n`),
    },
    requests: [
      {
        ask: { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":' },
        expect: { status: 400, span: { error: false, attributes: { 'http.response.status_code': 400 } } },
      },
    ],
  },
  {
    name: 'the function may set attributes and pass the context on by hand',
    source: {
      node: file(`module.exports = async (context) => {
        context.span.setAttribute('card.color', 'blue');
        return { status: 200, body: context.traceHeaders.traceparent.slice(0, 36) };
      };`),
      python: python(
        `from flask import g\ndef main():\n    g.span.set_attribute('card.color', 'blue')\n    return g.generated_headers['traceparent'][:36]\n`,
      ),
    },
    requests: [
      {
        ask: { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } },
        expect: {
          status: 200,
          text: `00-${TRACE}-`,
          span: { error: false, attributes: { 'card.color': 'blue' } },
        },
      },
    ],
  },
  {
    name: 'bytes are answered as they are',
    source: {
      node: file(`module.exports = () => ({ status: 200, body: Buffer.from([0, 255, 10, 13]) });`),
      python: python(
        `def main():\n    return b'\\x00\\xff\\n\\r', 200, {'Content-Type': 'application/octet-stream'}\n`,
      ),
    },
    requests: [
      {
        ask: {},
        expect: { status: 200, bytes: 'AP8KDQ==', headers: { 'content-type': 'application/octet-stream' } },
      },
    ],
  },
  {
    name: 'a header may come several times',
    source: {
      node: file(
        `module.exports = () => ({ status: 200, body: 'x', headers: { 'Set-Cookie': ['a=1', 'b=2'] } });`,
      ),
      python: python(`def main():\n    return 'x', 200, [('Set-Cookie', 'a=1'), ('Set-Cookie', 'b=2')]\n`),
    },
    requests: [{ ask: {}, expect: { status: 200, headers: { 'set-cookie': ['a=1', 'b=2'] } } }],
  },
  {
    name: 'an answer without content is one',
    source: {
      node: file(`module.exports = () => ({ status: 204 });`),
      python: python(`def main():\n    return '', 204\n`),
    },
    requests: [
      {
        ask: {},
        expect: {
          status: 204,
          text: '',
          span: { error: false, attributes: { 'http.response.status_code': 204 } },
        },
      },
    ],
  },
  {
    name: 'HEAD is answered without a body',
    source: {
      node: file(`module.exports = ({ request }) => ({ status: 200, body: request.method });`),
      python: python(`from flask import request\ndef main():\n    return request.method\n`),
    },
    requests: [
      { ask: { method: 'HEAD' }, expect: { status: 200, text: '', headers: { 'content-length': '4' } } },
    ],
  },
  {
    name: 'a form is parsed',
    source: {
      node: file(
        `module.exports = ({ request }) => ({ status: 200, body: request.body.name + '/' + request.body.of });`,
      ),
      python: python(
        `from flask import request\ndef main():\n    return request.form['name'] + '/' + request.form['of']\n`,
      ),
    },
    requests: [
      {
        ask: {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: 'name=Ada&of=L%C3%B6velace',
        },
        expect: { status: 200, text: 'Ada/Lövelace' },
      },
    ],
  },
  {
    name: 'text and bytes arrive whole, however they are sent',
    source: {
      node: file(
        `module.exports = ({ request }) => ({ status: 200, body: String(request.body.length) + (request.body.at?.(-1) ?? '') });`,
      ),
      python: python(
        `from flask import request\ndef main():\n    text = request.get_data(as_text=True)\n    return str(len(text)) + text[-1]\n`,
      ),
    },
    requests: [
      {
        ask: { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'a'.repeat(900_000) + 'z' },
        expect: { status: 200, text: '900001z' },
      },
      {
        ask: {
          method: 'POST',
          headers: { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' },
          body: 'b'.repeat(300_000) + 'y',
        },
        expect: { status: 200, text: '300001y' },
      },
    ],
  },
  {
    name: 'a big answer arrives whole',
    source: {
      node: file(`module.exports = () => ({ status: 200, body: 'k'.repeat(5_000_000) });`),
      python: python(`def main():\n    return 'k' * 5_000_000\n`),
    },
    requests: [
      {
        ask: {},
        expect: { status: 200, text: 'k'.repeat(5_000_000), headers: { 'content-length': '5000000' } },
      },
    ],
  },
  {
    name: 'a stream is answered piece by piece, and its last byte ends the span',
    source: {
      node: file(`const { Readable } = require('node:stream');
        module.exports = () => ({ status: 200, headers: { 'Content-Type': 'text/plain' }, body: Readable.from(['one,', 'two,', 'three']) });`),
      python: python(
        `def main():\n    return (part for part in ['one,', 'two,', 'three']), 200, {'Content-Type': 'text/plain'}\n`,
      ),
    },
    requests: [
      {
        ask: {},
        expect: {
          status: 200,
          text: 'one,two,three',
          headers: { 'transfer-encoding': 'chunked' },
          span: { error: false, attributes: { 'http.response.status_code': 200 } },
        },
      },
    ],
  },
  {
    name: 'a stream that breaks is an answer cut short, never one that looks whole',
    source: {
      node: file(`const { Readable } = require('node:stream');
        module.exports = () => ({ status: 200, body: Readable.from((async function* () {
          yield 'half'.repeat(10_000);
          await new Promise((resolve) => setTimeout(resolve, 50));
          throw new RangeError('the source dried up');
        })()) });`),
      python: python(
        `import time\ndef parts():\n    yield 'half' * 10_000\n    time.sleep(0.05)\n    raise ValueError('the source dried up')\ndef main():\n    return parts()\n`,
      ),
    },
    requests: [
      {
        ask: {},
        expect: { status: 0, span: { error: true, exception: { message: 'the source dried up' } } },
      },
    ],
  },
  {
    name: 'spans of the function’s own stand below its span',
    source: {
      node: file(`const { trace, SpanKind } = require('@opentelemetry/api');
        module.exports = () => trace.getTracer('mine', '2').startActiveSpan('draw', { attributes: { color: 'blue' } }, (span) => {
          span.addEvent('drawn', { dots: 3 });
          span.end();
          return { status: 200, body: 'ok' };
        });`),
      python: python(
        `from opentelemetry import trace\ndef main():\n    with trace.get_tracer('mine', '2').start_as_current_span('draw', attributes={'color': 'blue'}) as span:\n        span.add_event('drawn', {'dots': 3})\n    return 'ok'\n`,
      ),
    },
    requests: [
      {
        ask: {},
        expect: {
          status: 200,
          span: {
            error: false,
            children: [{ name: 'draw', kind: 'internal', error: false, attributes: { color: 'blue' } }],
          },
        },
      },
    ],
  },
  {
    name: 'what the function prints stands in its trace',
    source: {
      node: file(`module.exports = () => {
          console.log('to', 'stdout');
          console.error('to stderr');
          console.warn('take care');
          return { status: 200, body: 'ok' };
        };`),
      python: python(
        `import logging, sys\ndef main():\n    print('to', 'stdout')\n    print('to stderr', file=sys.stderr)\n    logging.warning('take care')\n    return 'ok'\n`,
      ),
    },
    requests: [
      {
        ask: {},
        expect: {
          status: 200,
          span: {
            error: false,
            logs: [
              { contains: 'to stdout', severity: 9, stream: 'stdout' },
              { contains: 'to stderr', severity: 17, stream: 'stderr' },
              { contains: 'take care', severity: 13, stream: 'stderr' },
            ],
          },
        },
      },
    ],
  },
  {
    name: 'the stack of what the function threw is printed into its trace',
    source: {
      node: file(`module.exports = () => { throw new RangeError('no such color'); };`),
      python: python(`def main():\n    raise ValueError('no such color')\n`),
    },
    requests: [
      {
        ask: {},
        expect: {
          status: 500,
          span: { error: true, logs: [{ contains: 'no such color', severity: 17, stream: 'stderr' }] },
        },
      },
    ],
  },
  {
    name: 'an invocation of some length says what CPU it used, also in threads that it started',
    source: {
      node: file(`
        const { Worker } = require('node:worker_threads');
        const compute = \`
          const used = () => { const { userCPUTime, systemCPUTime } = process.resourceUsage(); return userCPUTime + systemCPUTime; };
          const until = used() + 60_000;
          while (used() < until);\`;
        const ways = {
          computes: () => new Function(compute)(),
          delegates: () => new Promise((done) => new Worker(compute, { eval: true }).once('exit', done)),
          waits: () => new Promise((done) => setTimeout(done, 200)),
        };
        module.exports = async ({ request }) => {
          await ways[request.query.it]();
          return { status: 200 };
        };`),
      python: python(`
import time
from concurrent.futures import ThreadPoolExecutor
from flask import request

def compute():
    until = time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) + 0.06
    while time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) < until:
        pass

def delegate():
    with ThreadPoolExecutor() as pool:
        pool.submit(compute)

ways = {'computes': compute, 'delegates': delegate, 'waits': lambda: time.sleep(0.2)}

def main():
    ways[request.args['it']]()
    return ''
`),
    },
    requests: [
      { ask: { path: '/?it=computes' }, expect: { status: 200, span: cpuBetween(59, 1_000) } },
      { ask: { path: '/?it=delegates' }, expect: { status: 200, span: cpuBetween(59, 1_000) } },
      { ask: { path: '/?it=waits' }, expect: { status: 200, span: cpuBetween(0, 50) } },
    ],
  },
  {
    name: 'invocations at the same time keep apart: spans, logs, headers',
    source: {
      node: file(`module.exports = async ({ request, span }) => {
          const id = request.query.id;
          await new Promise((resolve) => setTimeout(resolve, 20));
          console.log('this is ' + id);
          span.setAttribute('id', id);
          await new Promise((resolve) => setTimeout(resolve, 20));
          return { status: 200, body: id };
        };`),
      python: python(
        `import time\nfrom flask import g, request\ndef main():\n    id = request.args['id']\n    time.sleep(0.02)\n    print('this is', id)\n    g.span.set_attribute('id', id)\n    time.sleep(0.02)\n    return id\n`,
      ),
    },
    concurrent: true,
    requests: Array.from({ length: 20 }, (_, i) => ({
      ask: { path: `/?id=number-${i}.`, headers: { 'x-spoor-invocation-id': `invocation-${i}` } },
      expect: {
        status: 200,
        text: `number-${i}.`,
        span: {
          error: false,
          attributes: { 'faas.invocation_id': `invocation-${i}`, id: `number-${i}.` },
          logs: [{ contains: `this is number-${i}.`, severity: 9, stream: 'stdout' as const }],
        },
      },
    })),
  },
  {
    name: 'a record is published below a span of its own, and brings its context',
    source: {
      node: file(`module.exports = async (context) => {
          const { topic, partition, offset } = await context.publish('greetings', { name: 'Zoë' }, { key: 'k1', headers: { color: 'blue' } });
          return { status: 200, body: { topic, partition, offset } };
        };`),
      python: python(
        `from flask import g\ndef main():\n    at = g.publish('greetings', 'Zo\u00eb', key='k1', headers={'color': 'blue'})\n    return {'topic': at['topic'], 'partition': at['partition'], 'offset': at['offset']}\n`,
      ),
    },
    requests: [
      {
        ask: { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } },
        expect: {
          status: 200,
          json: { topic: 'greetings', partition: 3, offset: 7 },
          span: {
            error: false,
            traceId: TRACE,
            children: [
              {
                name: 'send greetings',
                kind: 'producer',
                error: false,
                attributes: {
                  'messaging.destination.name': 'greetings',
                  'messaging.destination.partition.id': '3',
                  'messaging.kafka.offset': 7,
                  'messaging.kafka.message.key': 'k1',
                  'messaging.operation.type': 'send',
                },
              },
            ],
          },
          calls: [
            {
              method: 'POST',
              path: '/topics/greetings',
              headers: { 'x-record-key': 'k1', 'x-record-header-color': 'blue', 'x-spoor-producer': 'span' },
              context: 'send greetings',
            },
          ],
        },
      },
    ],
  },
  {
    name: 'a record that cannot be published is an error that says why',
    source: {
      node: file(`module.exports = async (context) => {
          try { await context.publish('missing', 'x'); } catch (error) { return { status: 409, body: error.message }; }
        };`),
      python: python(
        `from flask import g\ndef main():\n    try:\n        g.publish('missing', 'x')\n    except Exception as error:\n        return str(error), 409\n`,
      ),
    },
    requests: [
      {
        ask: {},
        expect: {
          status: 409,
          contains: 'cannot publish to topic [missing]: the queue answered 404: there is no such topic',
          span: { error: false, children: [{ name: 'send missing', kind: 'producer', error: true }] },
        },
      },
    ],
  },
  {
    name: 'a call the function makes carries its trace on, below a CLIENT span',
    source: {
      node: file(`module.exports = async () => {
          const response = await fetch(process.env.SPOOR_ROUTER_URL + '/away?x=1');
          const text = await response.text();
          const refused = await fetch(process.env.SPOOR_ROUTER_URL + '/status/404', { method: 'PUT' });
          await refused.text();
          return { status: 200, body: text };
        };`),
      python: python(
        `import os, urllib.request, urllib.error\ndef main():\n    url = os.environ['SPOOR_ROUTER_URL']\n    text = urllib.request.urlopen(url + '/away?x=1').read()\n    try:\n        urllib.request.urlopen(urllib.request.Request(url + '/status/404', method='PUT'))\n    except urllib.error.HTTPError as error:\n        error.read()\n    return text\n`,
      ),
    },
    requests: [
      {
        ask: { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } },
        expect: {
          status: 200,
          text: 'from afar',
          span: {
            error: false,
            children: [
              {
                name: 'GET',
                kind: 'client',
                error: false,
                attributes: {
                  'http.request.method': 'GET',
                  'http.response.status_code': 200,
                  'server.address': '127.0.0.1',
                },
              },
              {
                name: 'PUT',
                kind: 'client',
                error: true,
                attributes: { 'http.response.status_code': 404, 'error.type': '404' },
              },
            ],
          },
          calls: [
            { method: 'GET', path: '/away?x=1', context: 'GET' },
            { method: 'PUT', path: '/status/404', context: 'PUT' },
          ],
        },
      },
    ],
  },
  {
    name: 'a call that brings a context of its own is left alone',
    source: {
      node: file(`module.exports = async () => {
          await (await fetch(process.env.SPOOR_ROUTER_URL + '/own', { headers: { traceparent: '00-${TRACE}-${PARENT}-00' } })).text();
          return { status: 200, body: 'ok' };
        };`),
      python: python(
        `import http.client, os\ndef main():\n    connection = http.client.HTTPConnection(os.environ['SPOOR_ROUTER_URL'].removeprefix('http://'))\n    connection.request('GET', '/own', headers={'Traceparent': '00-${TRACE}-${PARENT}-00'})\n    connection.getresponse().read()\n    return 'ok'\n`,
      ),
    },
    requests: [
      {
        ask: {},
        expect: {
          status: 200,
          span: { error: false, children: [] },
          calls: [
            {
              method: 'GET',
              path: '/own',
              headers: { traceparent: `00-${TRACE}-${PARENT}-00` },
              context: null,
            },
          ],
        },
      },
    ],
  },
  {
    name: 'a websocket is one span, from handshake to close',
    source: {
      node: file(`module.exports = (ws) => { ws.on('message', (message) => ws.send('echo ' + message)); };`),
      python: python(
        `def main(ws, clients):\n    while not ws.closed:\n        message = ws.receive()\n        if message is not None:\n            ws.send('echo ' + message)\n`,
      ),
    },
    requests: [
      {
        ask: { path: '/chat', headers: { traceparent: `00-${TRACE}-${PARENT}-01` } },
        webSocket: [
          ['hello', 'echo hello'],
          ['Zoë', 'echo Zoë'],
        ],
        expect: {
          status: 101,
          span: {
            error: false,
            traceId: TRACE,
            parentSpanId: PARENT,
            attributes: { 'http.response.status_code': 101, 'url.path': '/chat' },
          },
        },
      },
    ],
  },
  {
    name: 'a function that cannot be loaded says why, and the environment stays generic',
    source: {
      node: file(`const missing = require('./no-such-file');`),
      python: python(`import no_such_file\n`),
    },
    load: { status: 500, contains: 'no' },
    requests: [{ ask: {}, expect: { status: 500, contains: 'Generic container: no requests supported' } }],
  },
  {
    name: 'an entry point that is not there is named, with those that are',
    source: {
      node: { files: { 'lib.js': `exports.greet = () => {};` }, filepath: '', entry: 'lib.great' },
      python: { files: { 'lib.py': `def greet():\n    pass\n` }, filepath: '', entry: 'lib.great' },
    },
    load: { status: 500, contains: 'greet' },
    requests: [],
  },
  {
    name: 'healthz is answered by the environment',
    source: {
      node: file(`module.exports = () => ({ status: 418, body: 'mine' });`),
      python: python(`def main():\n    return 'mine', 418\n`),
    },
    requests: [{ ask: { path: '/healthz' }, expect: { status: 200, text: '' } }],
  },
  {
    name: 'a function is for life: a second one is refused',
    source: {
      node: file(`module.exports = () => ({ status: 200, body: 'first' });`),
      python: python(`def main():\n    return 'first'\n`),
    },
    requests: [
      {
        ask: {
          method: 'POST',
          path: '/v2/specialize',
          headers: { 'content-type': 'application/json' },
          body: '{"filepath":"/elsewhere"}',
        },
        expect: { status: 400, text: 'Not a generic container' },
      },
      { ask: {}, expect: { status: 200, text: 'first' } },
    ],
  },
  {
    name: 'a callback answers with status, body and headers',
    source: {
      node: {
        files: {
          'index.js': `module.exports = (context, callback) => callback(202, 'called ' + context.request.method, { 'X-How': 'back' });`,
        },
        filepath: '',
        entry: '',
      },
    },
    requests: [{ ask: {}, expect: { status: 202, text: 'called GET', headers: { 'x-how': 'back' } } }],
  },
  {
    name: 'modules in folders, and an async function',
    source: {
      python: {
        files: {
          'shop/__init__.py': '',
          'shop/cart.py': `import asyncio\nasync def total():\n    await asyncio.sleep(0)\n    return 'awaited'\n`,
        },
        filepath: '',
        entry: 'shop.cart.total',
      },
      node: {
        files: { 'shop/cart.mjs': `export const total = async () => ({ status: 200, body: 'awaited' });` },
        filepath: '',
        entry: 'shop/cart.total',
      },
    },
    requests: [{ ask: {}, expect: { status: 200, text: 'awaited' } }],
  },
  {
    name: 'Flask’s abort() is an answer, no exception',
    source: {
      python: python(`from flask import abort\ndef main():\n    abort(404)\n`),
    },
    requests: [
      {
        ask: {},
        expect: {
          status: 404,
          span: { error: false, exception: null, attributes: { 'http.response.status_code': 404 } },
        },
      },
    ],
  },
];

/** A Node function as a folder with one file. */
function file(text: string): Source {
  return { files: { 'index.js': text }, filepath: '', entry: '' };
}

function python(text: string): Source {
  return { files: { 'main.py': text }, filepath: '', entry: '' };
}

function cpuBetween(leastMs: number, mostMs: number): ExpectedSpan {
  return { error: false, between: { 'spoor.cpu.ms': [leastMs, mostMs] } };
}
