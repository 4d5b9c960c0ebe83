import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { environmentProgram } from '../node/bundle.ts';
import { textOf } from '../node/start-with.ts';
import { pythonProgram } from '../python/program.ts';
import { type EnvironmentCommand, EnvironmentProcess } from './environment-process.ts';

const INVOCATIONS = 1_000;
const MARK = '\x1e';

/** All wait for each other, so that all are under way when the first one prints. */
const NODE = `
const { writeSync } = require('node:fs');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
let inside = 0;
let open;
const all = new Promise((resolve) => (open = resolve));
module.exports = async ({ request }) => {
  const id = request.query.id;
  if ((inside += 1) === ${INVOCATIONS}) open();
  await all;
  console.log('console ' + id);
  writeSync(1, 'direct ' + id + '\\n');
  await once(spawn('echo', ['child ' + id], { stdio: 'inherit' }), 'close');
  return { status: 200, body: id };
};`;
const PYTHON = `
import os, subprocess, threading
from flask import request

barrier = threading.Barrier(${INVOCATIONS})

def main():
    id = request.args['id']
    barrier.wait()
    print('console', id)
    os.write(1, f'direct {id}\\n'.encode())
    subprocess.run(['echo', f'child {id}'])
    return id
`;

void describe('a thousand invocations at once print their own id in three ways', () => {
  void test('Node: each line stands in its own trace', async () => {
    const command = { program: process.execPath, args: [await environmentProgram()] };
    await printAtOnce(command, { 'index.js': NODE });
  });

  void test('Python: each line stands in its own trace', async () => {
    const { command: program, args } = await pythonProgram();
    await printAtOnce({ program, args }, { 'main.py': PYTHON });
  });
});

void test('what cannot be attributed is not claimed: it reaches the output without the mark', async () => {
  const { command: program, args } = await pythonProgram();
  const commands: readonly (readonly [EnvironmentCommand, Record<string, string>])[] = [
    [
      { program: process.execPath, args: [await environmentProgram()] },
      {
        'index.js': `module.exports = () => {
          require('node:child_process').spawnSync('echo', ['from afar'], { stdio: 'inherit' });
          console.log('ours');
          return { status: 200 };
        };`,
      },
    ],
    [
      { program, args },
      {
        'main.py': `import os\ndef main():\n    os.system('echo from afar')\n    print('ours')\n    return ''\n`,
      },
    ],
  ];
  for (const [command, files] of commands) {
    await using environment = await EnvironmentProcess.start(command, { env: { SPOOR_OUTPUT_MARK: '1' } });
    await environment.specialize(environment.write(files));
    await environment.ask();
    environment.child.kill('SIGTERM');
    await environment.ended;
    assert.equal(environment.stdout, `from afar\nours${MARK}\n`);
    assert.deepEqual(
      environment.journal().logs.map(({ body }) => body),
      ['ours'],
    );
  }
});

async function printAtOnce(command: EnvironmentCommand, files: Record<string, string>): Promise<void> {
  await using environment = await EnvironmentProcess.start(command, { env: { SPOOR_OUTPUT_MARK: '1' } });
  const loaded = await environment.specialize(environment.write(files));
  assert.ok(loaded.status < 300, loaded.text);
  const answers: Promise<unknown>[] = [];
  for (let i = 0; i < INVOCATIONS; i += 1) {
    const id = `n${i}.`;
    answers.push(
      environment
        .ask({ path: `/?id=${id}`, headers: { 'x-spoor-invocation-id': id } })
        .then(({ text }) => assert.equal(text, id)),
    );
    // No more connections at once than a listener's backlog holds.
    if (i % 50 === 49) await sleep(5);
  }
  await Promise.all(answers);
  environment.child.kill('SIGTERM');
  await environment.ended;

  const { logs, spans, header } = environment.journal();
  assert.deepEqual([header.droppedSpans, header.droppedLogs], [0n, 0n]);
  const spanOf = new Map(spans.map((span) => [span.attributes['faas.invocation_id'], span]));
  assert.equal(spanOf.size, INVOCATIONS);
  const found = logs.map(({ body, attributes, traceId, spanId }) => {
    const span = spanOf.get(attributes['faas.invocation_id']);
    assert.deepEqual([traceId, spanId], [span?.traceId, span?.spanId]);
    return `${textOf(attributes['faas.invocation_id'])} printed ${textOf(body)}`;
  });
  const expected = Array.from({ length: INVOCATIONS }, (_, i) => i).flatMap((i) =>
    ['console', 'direct', 'child'].map((way) => `n${i}. printed ${way} n${i}.`),
  );
  assert.deepEqual(found.sort(), expected.sort());

  // And each of them, whole and marked, is on the ordinary output.
  const lines = environment.stdout.split('\n').filter((line) => line !== '');
  assert.equal(lines.filter((line) => line.endsWith(MARK)).length, lines.length);
  assert.deepEqual(
    lines.map((line) => line.slice(0, -1)).sort(),
    expected.map((line) => line.replace(/^.* printed /, '')).sort(),
  );
}
