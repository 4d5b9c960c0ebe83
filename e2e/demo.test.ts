import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { placesOf } from '../cli/settings.ts';
import { freePorts, spoor } from './support/spoor.ts';

test('spoor demo, without a terminal: deploys, draws a trace, tells each fault, ends clean', async () => {
  const data = mkdtempSync(join(tmpdir(), 'spoor-demo-'));
  try {
    const run = await spoor(['demo', '--once', '--data', data, ...freePorts()], { timeoutMs: 180_000 });
    assert.equal(run.exitCode, 0, run.stderr);
    for (const name of [
      'POST /greetings',
      'invoke greeter',
      'validator',
      'send greetings',
      'process greetings',
      'invoke image',
      'send cards',
    ]) {
      assert.ok(run.stdout.includes(name), `${name} is drawn:\n${run.stdout}`);
    }
    assert.match(run.stdout, /first trace \d+\.\d s after/);
    assert.match(run.stdout, /slow +[0-9a-f]{32} .*validator took 1\.\d+ s/);
    assert.match(run.stdout, /error +[0-9a-f]{32} .*cannot/);
    assert.match(run.stdout, /crash +[0-9a-f]{32} .*SIGKILL/);
    assert.match(run.stdout, /timeout +[0-9a-f]{32} .*time-?out/);
    assert.ok(!run.stdout.includes('\u001b'), 'no colours without a terminal');
  } finally {
    const places = placesOf(data);
    for (const dir of [data, places.journals, places.run]) rmSync(dir, { recursive: true, force: true });
  }
});
