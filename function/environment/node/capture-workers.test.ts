import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { readJournal, type JournalContents } from '../../span/read-journal.ts';
import type { EnvironmentProcess } from '../conformance/environment-process.ts';
import { MARK } from './capture-output.ts';
import { startWith, textOf } from './start-with.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const FROM_CALLER = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };

/** A thread that makes a span, prints in three ways, leaves a span open, and does as it is told. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const fs = require('node:fs');
const { trace } = require('@opentelemetry/api');
const tracer = trace.getTracer('mine');
tracer.startSpan('cut', { attributes: { what: workerData.what } }).end();
console.log('printed in a thread');
process.stderr.write('told in a thread\\n');
fs.writeSync(1, 'written in a thread\\n');
tracer.startSpan('left open');
parentPort.postMessage('ready');
if (workerData.what === 'exit') setTimeout(() => process.exit(4), 20);
if (workerData.what === 'throw') setTimeout(() => { throw new TypeError('no such card'); }, 20);
if (workerData.what === 'hang') setInterval(() => {}, 1000);
`;
const SOURCE = `
const { Worker } = require('node:worker_threads');
const { once } = require('node:events');
module.exports = async ({ request }) => {
  const { what } = request.query;
  const worker = new Worker(${JSON.stringify(THREAD)}, { eval: true, workerData: { what } });
  worker.on('error', () => {});
  const exited = new Promise((resolve) => worker.on('exit', resolve));
  await once(worker, 'message');
  if (what === 'hang') console.log('heard of it');
  if (what === 'hang' && request.query.kill) await worker.terminate();
  else await exited;
  return { status: 200, body: String(worker instanceof Worker && worker.threadId !== undefined) };
};`;

const journalOfThread = ({ journalPath }: EnvironmentProcess): JournalContents => {
  const names = readdirSync(dirname(journalPath)).filter((name) => /thread-\d+\.journal$/.test(name));
  assert.equal(names.length, 1, names.join());
  return readJournal(join(dirname(journalPath), names[0] as string));
};

void test('a thread of the function traces below the invocation that started it, and its lines belong there', async () => {
  await using environment = await startWith(SOURCE);
  const answer = await environment.ask({
    path: '/?what=exit',
    headers: { ...FROM_CALLER, 'x-spoor-invocation-id': 'call-1' },
  });
  assert.deepEqual([answer.status, answer.text], [200, 'true'], environment.stderr);
  environment.child.kill('SIGTERM');
  await environment.ended;

  const own = environment.journal();
  const root = own.spans.find((span) => span.name === 'greeter');
  const thread = journalOfThread(environment);
  assert.deepEqual(
    thread.spans.map(({ name, traceId, parentSpanId, resource }) => [
      name,
      traceId,
      parentSpanId,
      resource['service.name'],
    ]),
    [['cut', TRACE, root?.spanId, 'greeter']],
  );
  assert.deepEqual(
    thread.open.map((span) => span.name),
    ['left open'],
  );
  assert.deepEqual(
    thread.logs.map((log) => [
      textOf(log.body),
      log.traceId,
      log.spanId,
      log.attributes['faas.invocation_id'],
    ]),
    ['printed in a thread', 'told in a thread', 'written in a thread'].map((body) => [
      body,
      TRACE,
      root?.spanId,
      'call-1',
    ]),
  );
  assert.deepEqual(own.logs, [], 'a line is told of once');
  assert.match(environment.stdout, /printed in a thread/);
  assert.match(environment.stdout, /written in a thread/);
  assert.match(environment.stderr, /told in a thread/);
  assert.equal(thread.goodbyes[0]?.['spoor.end.exit_code'], 4n);
});

void test('each line of a thread is marked once', async () => {
  await using environment = await startWith(SOURCE, { env: { SPOOR_OUTPUT_MARK: '1' } });
  await environment.ask({ path: '/?what=exit' });
  environment.child.kill('SIGTERM');
  await environment.ended;
  assert.equal(environment.stdout.split(`printed in a thread${MARK}\n`).length, 2);
  assert.equal(environment.stdout.split(`written in a thread${MARK}\n`).length, 2);
  assert.equal(environment.stderr.split(`told in a thread${MARK}\n`).length, 2);
});

for (const [what, query, reason, exitCode, message] of [
  ['exits', 'what=exit', 'exit', 4, 'the thread ended with code 4'],
  ['throws', 'what=throw', 'exit', 1, 'the thread ended with code 1: TypeError: no such card'],
  ['is terminated', 'what=hang&kill=1', 'exit', 1, 'the thread was terminated'],
] as const) {
  void test(`a thread that ${what} has its end told beside its journal, while its process lives on`, async () => {
    await using environment = await startWith(SOURCE);
    assert.equal((await environment.ask({ path: `/?${query}` })).status, 200, environment.stderr);
    const folder = dirname(environment.journalPath);
    const name = readdirSync(folder).find((each) => /^instance\.thread-\d+\.end$/.test(each));
    assert.ok(name !== undefined, readdirSync(folder).join());
    const end = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, unknown>;
    assert.deepEqual(
      [end['reason'], end['exitCode'], end['message'], end['thread']],
      [reason, exitCode, message, true],
    );
    assert.equal(environment.child.exitCode, null);
  });
}

void test('what a thread does after the invocation that started it belongs to nobody', async () => {
  await using environment = await startWith(`
    const { Worker } = require('node:worker_threads');
    const { once } = require('node:events');
    let worker;
    module.exports = async () => {
      worker ??= new Worker("const { parentPort } = require('node:worker_threads');" +
        "parentPort.on('message', (text) => { console.log(text); parentPort.postMessage('done'); });", { eval: true });
      worker.postMessage('asked');
      await once(worker, 'message');
      return { status: 200, body: 'asked' };
    };`);
  for (const id of ['call-1', 'call-2']) await environment.ask({ headers: { 'x-spoor-invocation-id': id } });
  environment.child.kill('SIGTERM');
  await environment.ended;
  assert.deepEqual(
    journalOfThread(environment).logs.map((log) => log.attributes['faas.invocation_id']),
    ['call-1', undefined],
  );
});

void test('what a thread had said is there when its process is killed', { timeout: 30_000 }, async () => {
  await using environment = await startWith(SOURCE);
  const asked = environment.ask({ path: '/?what=hang' }).catch(() => undefined);
  await environment.printed('heard of it');
  environment.child.kill('SIGKILL');
  await Promise.all([asked, environment.ended]);
  const { spans, open, logs } = journalOfThread(environment);
  assert.deepEqual(
    [spans.map((span) => span.name), logs.map((log) => log.body)],
    [['cut'], ['printed in a thread', 'told in a thread', 'written in a thread']],
  );
  assert.deepEqual(
    open.map((span) => span.name),
    ['left open'],
  );
});
