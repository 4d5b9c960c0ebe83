import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { environmentProgram } from '../node/bundle.ts';
import { pythonProgram } from '../python/program.ts';
import { BREAKAGES } from './breakages.ts';
import { type Case, CASES } from './cases.ts';
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

void describe('the suite notices a Node environment that', () => {
  for (const { what, noticedBy, patch } of BREAKAGES) {
    if (patch.node === undefined) continue;
    const code = `data:text/javascript,${encodeURIComponent(patch.node)}`;
    void test(what, async () => {
      const command = { program: process.execPath, args: ['--import', code, ...sources.args] };
      assertNoticed(await runCase(caseNamed(noticedBy), 'node', command));
    });
  }
});

void describe('the suite notices a Python environment that', () => {
  for (const { what, noticedBy, patch } of BREAKAGES) {
    if (patch.python === undefined) continue;
    void test(what, async () => {
      const { command, args } = await pythonProgram();
      const [start = ''] = args;
      const script = [
        'import runpy, sys',
        `sys.path.insert(0, ${JSON.stringify(dirname(start))})`,
        patch.python,
        `runpy.run_path(${JSON.stringify(start)}, run_name='__main__')`,
      ].join('\n');
      const broken = { program: command, args: ['-c', script] };
      assertNoticed(await runCase(caseNamed(noticedBy), 'python', broken));
    });
  }
});

/** It runs, and does the wrong thing: one that does not even load its function proves nothing. */
function assertNoticed(faults: readonly string[]): void {
  assert.notDeepEqual(faults, []);
  for (const fault of faults) assert.doesNotMatch(fault, /^cannot specialize|^there is no answer/);
}

function caseNamed(name: string): Case {
  const found = CASES.find((each) => each.name === name);
  assert.ok(found, `there is no case [${name}]`);
  return found;
}
