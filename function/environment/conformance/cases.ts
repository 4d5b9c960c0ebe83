import type { Ask } from './environment-process.ts';

/**
 * What every environment must do, whatever its language: a function, the requests to it, the answers, the spans.
 * The twins differ in their sources only. A source that a language has no way to say is left out.
 */
export interface Case {
  readonly name: string;
  readonly source: Partial<Record<Language, Source>>;
  readonly requests: readonly Exchange[];
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
}

export interface Expected {
  readonly status: number;
  readonly text?: string;
  readonly json?: unknown;
  /** Text that the body must contain. */
  readonly contains?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The SERVER span this request leaves; undefined: not looked at. */
  readonly span?: ExpectedSpan;
}

export interface ExpectedSpan {
  readonly error: boolean;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  /** Its exception event; null: there is none; undefined: not looked at. */
  readonly exception?: { readonly message: string } | null;
  readonly parentSpanId?: string;
  readonly traceId?: string;
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
];

/** A Node function as a folder with one file. */
function file(text: string): Source {
  return { files: { 'index.js': text }, filepath: '', entry: '' };
}

function python(text: string): Source {
  return { files: { 'main.py': text }, filepath: '', entry: '' };
}
