import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EnvironmentProcess } from '../conformance/environment-process.ts';
import { pythonProgram } from './program.ts';
import { journalOf } from './test/start-with.ts';

void test('state.json: a container that starts again is the function it was; one told to end forgets', async () => {
  const { command, args } = await pythonProgram();
  const program = { program: command, args };
  await using first = await EnvironmentProcess.start(program);
  const volume = first.write({
    'code/main.py': `def main():\n    return 'still here'\n`,
    'code/other.py': `def main():\n    return 'other'\n`,
  });
  const env = { USERFUNCVOL: volume };
  {
    await using killed = await EnvironmentProcess.start(program, { env });
    assert.equal((await killed.ask()).status, 500);
    const loaded = await killed.specialize(`${volume}/code`, 'main.main');
    assert.equal(loaded.status, 200, loaded.text);
    killed.child.kill('SIGKILL');
    await killed.ended;
  }
  {
    await using again = await EnvironmentProcess.start(program, { env });
    const answer = await again.ask();
    assert.deepEqual([answer.status, answer.text], [200, 'still here'], again.stderr);
    assert.equal((await again.specialize(`${volume}/code`, 'other.main')).status, 400);
    const { spans } = await journalOf(again);
    assert.deepEqual(
      spans.map(({ name, resource }) => [name, resource['service.name']]),
      [['greeter', 'greeter']],
    );
  }
  await using generic = await EnvironmentProcess.start(program, { env });
  assert.equal((await generic.ask()).text, 'Generic container: no requests supported');
});
