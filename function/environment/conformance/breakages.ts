import type { Language } from './cases.ts';

/**
 * Ways to break an environment that the suite must notice: code that runs in its process before it does, by language, and the case
 * that fails then.
 */
export interface Breakage {
  readonly what: string;
  readonly noticedBy: string;
  readonly patch: Partial<Record<Language, string>>;
}

/** Statements with `request` and `response` in hand, before the environment has them; `return true` keeps them from it. */
const onRequest = (statements: string) => `
  const { Server } = process.getBuiltinModule('node:http');
  const { emit } = Server.prototype;
  const seen = {};
  const handle = (request, response) => { ${statements} };
  Server.prototype.emit = function (event, ...rest) {
    return event === 'request' && handle(...rest) === true ? true : emit.call(this, event, ...rest);
  };`;

/** The status that is sent, as an expression of \`status\`, the one meant. */
const withStatus = (expression: string) => `
  const { ServerResponse } = process.getBuiltinModule('node:http');
  const { writeHead } = ServerResponse.prototype;
  ServerResponse.prototype.writeHead = function (status, ...rest) { return writeHead.call(this, ${expression}, ...rest); };`;

/** Statements with `environ`, the parsed head of each request. */
const onEnviron = (statements: string) => `
from spoor_environment import http_server
read = http_server._read_head
def patched(stream):
    environ = read(stream)
    if environ:
        ${statements}
    return environ
http_server._read_head = patched`;

const withStatusLine = (expression: string) => `
from spoor_environment import http_server
start = http_server._Answer.start
http_server._Answer.start = lambda self, status, headers, exc_info=None: start(self, ${expression}, headers, exc_info)`;

export const BREAKAGES: readonly Breakage[] = [
  {
    what: 'loses the status',
    noticedBy: 'a string is answered as HTML with the status given',
    patch: { node: withStatus('status === 202 ? 202 : 200'), python: withStatusLine(`'200 OK'`) },
  },
  {
    what: 'answers 200 for a function that throws',
    noticedBy: 'what the function throws is a 500 that keeps its secrets, and an exception in the trace',
    patch: {
      node: withStatus('status === 500 ? 200 : status'),
      python: withStatusLine(`status.replace('500', '200')`),
    },
  },
  {
    what: 'answers 200 for a function that gives no answer',
    noticedBy: 'a function that gives no answer is a 500, not silence',
    patch: {
      node: withStatus('status === 500 ? 200 : status'),
      python: `
from spoor_environment import initialize_tracing
from werkzeug.wrappers import Response
initialize_tracing._response_of = lambda func: Response(func() or '')`,
    },
  },
  {
    what: 'tells the client what the function threw',
    noticedBy: 'what the function throws is a 500 that keeps its secrets, and an exception in the trace',
    patch: {
      node: `
        const { ServerResponse } = process.getBuiltinModule('node:http');
        const { end } = ServerResponse.prototype;
        ServerResponse.prototype.end = function (body, ...rest) {
          if (this.statusCode !== 500) return end.call(this, body, ...rest);
          this.removeHeader('content-length');
          return end.call(this, 'TypeError: no such color: secret');
        };`,
      python: `
from spoor_environment import initialize_tracing
from werkzeug.wrappers import Response
initialize_tracing.failure_response = lambda invocation, error: Response(repr(error), 500)`,
    },
  },
  {
    what: 'has no /healthz',
    noticedBy: 'healthz is answered by the environment',
    patch: {
      node: onRequest(`if (request.url === '/healthz') request.url = '/';`),
      python: onEnviron(`environ['PATH_INFO'] = environ['PATH_INFO'].replace('/healthz', '/')`),
    },
  },
  {
    what: 'knows no PATCH',
    noticedBy: 'every method reaches the function, PATCH too',
    patch: {
      node: onRequest(
        `if (request.method === 'PATCH') { response.statusCode = 405; response.end(); return true; }`,
      ),
      python: onEnviron(`environ['REQUEST_METHOD'] = environ['REQUEST_METHOD'].replace('PATCH', 'POST')`),
    },
  },
  {
    what: 'takes a second function',
    noticedBy: 'a function is for life: a second one is refused',
    patch: {
      node: onRequest(
        `if (request.url !== '/v2/specialize') return;
         if (!seen.specialized) { seen.specialized = true; return; }
         response.statusCode = 202; response.end(); return true;`,
      ),
      python: `
from spoor_environment import environment
specialize = environment.Environment._specialize
def patched(self, environ, is_v1):
    self._app = None
    return specialize(self, environ, is_v1)
environment.Environment._specialize = patched`,
    },
  },
  {
    what: 'sends a stream that breaks as if it were whole',
    noticedBy: 'a stream that breaks is an answer cut short, never one that looks whole',
    patch: {
      node: `
        const { ServerResponse } = process.getBuiltinModule('node:http');
        ServerResponse.prototype.destroy = function () { this.end(); return this; };`,
      python: `
from spoor_environment import http_server
http_server._Answer.fail = lambda self, *rest: self.finish()`,
    },
  },
  {
    what: 'loses the caller’s context',
    noticedBy: 'the span continues the caller and says what was called',
    patch: {
      node: onRequest('delete request.headers.traceparent;'),
      python: onEnviron(`environ.pop('HTTP_TRACEPARENT', None)`),
    },
  },
  {
    what: 'passes no context on to those the function calls',
    noticedBy: 'a call the function makes carries its trace on, below a CLIENT span',
    patch: {
      node: `process.getBuiltinModule('node:diagnostics_channel').subscribe = () => {};`,
      python: `
from spoor_environment import main
main.trace_outgoing_calls = lambda tracing: None`,
    },
  },
  {
    what: 'passes another context on than that of the call’s own span',
    noticedBy: 'a call the function makes carries its trace on, below a CLIENT span',
    patch: {
      python: `
from spoor_environment import outgoing_calls
begin = outgoing_calls._begin
class OfTheFunction:
    def __init__(self, propagator):
        self.inject = lambda carrier, context: propagator.inject(carrier)
outgoing_calls._begin = lambda connection, tracer, propagator: begin(connection, tracer, OfTheFunction(propagator))`,
    },
  },
  {
    what: 'writes no journal',
    noticedBy: 'a 5xx of the function itself is an error, a 4xx is not',
    patch: {
      node: `delete process.env.SPOOR_JOURNAL;`,
      python: `
import os
os.environ.pop('SPOOR_JOURNAL')`,
    },
  },
  {
    what: 'never ends its spans',
    noticedBy: 'an answer without content is one',
    patch: {
      python: `
from spoor_environment import journal_writer
journal_writer.JournalWriter.end = lambda *rest: 0`,
    },
  },
  {
    what: 'calls its spans by another name',
    noticedBy: 'an answer without content is one',
    patch: {
      python: `
from spoor_environment import journal_writer
start = journal_writer.JournalWriter.start
journal_writer.JournalWriter.start = lambda self, trace, span, parent, name, *rest: start(self, trace, span, parent, 'function', *rest)`,
    },
  },
  {
    what: 'loses what the function prints',
    noticedBy: 'what the function prints stands in its trace',
    patch: {
      python: `
from spoor_environment import capture_output
capture_output.Capture.tell = lambda self, text, stream: None`,
    },
  },
  {
    what: 'knows nothing of the CPU that was used',
    noticedBy: 'an invocation of some length says what CPU it used, also in threads that it started',
    patch: {
      node: `process.cpuUsage = () => ({ user: 0, system: 0 });`,
      python: `
from spoor_environment import invocation, threads
invocation.thread_time_ns = threads.thread_time_ns = lambda: 0`,
    },
  },
  {
    what: 'mixes up who printed what',
    noticedBy: 'invocations at the same time keep apart: spans, logs, headers',
    patch: {
      node: `
        const { AsyncLocalStorage } = process.getBuiltinModule('node:async_hooks');
        const { run } = AsyncLocalStorage.prototype;
        let last;
        AsyncLocalStorage.prototype.run = function (store, ...rest) { last = store; return run.call(this, store, ...rest); };
        AsyncLocalStorage.prototype.getStore = () => last;`,
      python: `
from spoor_environment import main
main.active_invocation = lambda: None`,
    },
  },
];
