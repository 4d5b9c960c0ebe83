import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { environmentProgram } from '../node/bundle.ts';
import { pythonProgram } from '../python/program.ts';
import { CASES } from './cases.ts';
import { type EnvironmentCommand, EnvironmentProcess } from './environment-process.ts';
import { runCase } from './run-case.ts';

const sources: EnvironmentCommand = {
  program: process.execPath,
  args: [join(import.meta.dirname, '../node/main.ts')],
};

void describe('the Node environment', () => {
  for (const each of CASES) {
    void test(each.name, async () => {
      assert.deepEqual(await runCase(each, 'node', sources), []);
    });
  }

  void test('bundled, it is the same, down to the shared memory', async () => {
    const bundle: EnvironmentCommand = { program: process.execPath, args: [await environmentProgram()] };
    for (const each of CASES) assert.deepEqual(await runCase(each, 'node', bundle), [], each.name);
    const transports = [];
    for (const command of [sources, bundle]) {
      await using environment = await EnvironmentProcess.start(command);
      await environment.specialize(
        environment.write({ 'a.cjs': 'module.exports = () => ({ status: 200 })' }),
      );
      await environment.ask();
      transports.push(environment.journal().header.transport);
    }
    assert.equal(transports[1], transports[0]);
  });
});

void describe('the Python environment', () => {
  for (const each of CASES) {
    void test(each.name, async () => {
      const { command, args } = await pythonProgram();
      assert.deepEqual(await runCase(each, 'python', { program: command, args }), []);
    });
  }
});

void describe('the suite notices an environment that', () => {
  const broken: readonly (readonly [what: string, patch: string, noticedBy: string])[] = [
    [
      'loses the status',
      `const { ServerResponse } = process.getBuiltinModule('node:http');
       const { writeHead } = ServerResponse.prototype;
       ServerResponse.prototype.writeHead = function (status, ...rest) { return writeHead.call(this, status === 202 ? 202 : 200, ...rest); };`,
      'a string is answered as HTML with the status given',
    ],
    [
      'loses the caller’s context',
      `const { Server } = process.getBuiltinModule('node:http');
       const { emit } = Server.prototype;
       Server.prototype.emit = function (event, request, ...rest) {
         if (event === 'request') delete request.headers.traceparent;
         return emit.call(this, event, request, ...rest);
       };`,
      'the span continues the caller and says what was called',
    ],
    [
      'writes no journal',
      `delete process.env.SPOOR_JOURNAL;`,
      'a 5xx of the function itself is an error, a 4xx is not',
    ],
    [
      'tells the client what the function threw',
      `const { ServerResponse } = process.getBuiltinModule('node:http');
       const { end } = ServerResponse.prototype;
       ServerResponse.prototype.end = function (body, ...rest) {
         if (this.statusCode !== 500) return end.call(this, body, ...rest);
         this.removeHeader('content-length');
         return end.call(this, 'TypeError: no such color: secret');
       };`,
      'what the function throws is a 500 that keeps its secrets, and an exception in the trace',
    ],
  ];
  for (const [what, patch, noticedBy] of broken) {
    void test(what, async () => {
      const command: EnvironmentCommand = {
        program: process.execPath,
        args: ['--import', `data:text/javascript,${encodeURIComponent(patch)}`, ...sources.args],
      };
      const noticing = CASES.find((each) => each.name === noticedBy);
      assert.ok(noticing, `there is no case [${noticedBy}]`);
      assert.notDeepEqual(await runCase(noticing, 'node', command), []);
    });
  }
});

void describe('the suite notices a Python environment that', () => {
  const broken: readonly (readonly [what: string, patch: string, noticedBy: string])[] = [
    [
      'loses the status',
      `from spoor_environment import http_server
start = http_server._Answer.start
http_server._Answer.start = lambda self, status, headers, exc_info=None: start(self, '200 OK', headers, exc_info)`,
      'a string is answered as HTML with the status given',
    ],
    [
      'loses the caller’s context',
      `from spoor_environment import http_server
read = http_server._read_head
def patched(stream):
    environ = read(stream)
    if environ:
        environ.pop('HTTP_TRACEPARENT', None)
    return environ
http_server._read_head = patched`,
      'the span continues the caller and says what was called',
    ],
    [
      'writes no journal',
      `import os
os.environ.pop('SPOOR_JOURNAL')`,
      'a 5xx of the function itself is an error, a 4xx is not',
    ],
    [
      'tells the client what the function raised',
      `from spoor_environment import initialize_tracing
from werkzeug.wrappers import Response
initialize_tracing.failure_response = lambda invocation, error: Response(repr(error), 500)`,
      'what the function throws is a 500 that keeps its secrets, and an exception in the trace',
    ],
    [
      'mixes up who printed what',
      `from spoor_environment import main
main.active_invocation = lambda: None`,
      'invocations at the same time keep apart: spans, logs, headers',
    ],
  ];
  for (const [what, patch, noticedBy] of broken) {
    void test(what, async () => {
      const { command, args } = await pythonProgram();
      const [start = ''] = args;
      const script = [
        'import runpy, sys',
        `sys.path.insert(0, ${JSON.stringify(dirname(start))})`,
        patch,
        `runpy.run_path(${JSON.stringify(start)}, run_name='__main__')`,
      ].join('\n');
      const noticing = CASES.find((each) => each.name === noticedBy);
      assert.ok(noticing, `there is no case [${noticedBy}]`);
      assert.notDeepEqual(await runCase(noticing, 'python', { program: command, args: ['-c', script] }), []);
    });
  }
});
