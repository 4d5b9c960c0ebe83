import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import {
  parseMs,
  parsePercentage,
  tailSamplingArgs,
  tailSamplingFlags,
  tailSamplingOf,
  type TailSamplingFlags,
} from './tail-sampling.ts';

function read(args: readonly string[]) {
  const command = tailSamplingFlags(new Command()).exitOverride();
  return tailSamplingOf(command.parse(args, { from: 'user' }).opts<TailSamplingFlags>());
}

void test('tail sampling is off until it is asked for, and then has the defaults of its policies', () => {
  assert.equal(read([]), undefined);
  assert.deepEqual(read(['--tail-sampling', '10%']), {
    samplingPercentage: 10,
    decisionWaitMs: 600_000,
    latencyThresholdMs: 1_000,
    rareFlowsPerHour: 5,
  });
});

void test('a part that is started with the arguments made of the settings has the same settings', () => {
  const settings = read([
    '--tail-sampling',
    '0.5',
    '--tail-sampling-wait',
    '2m',
    '--tail-sampling-rare',
    '0',
  ]);
  assert.deepEqual(read(tailSamplingArgs(settings)), settings);
  assert.deepEqual(tailSamplingArgs(undefined), []);
});

void test('shares and durations that are none are refused', () => {
  for (const text of ['0', '0%', '101', '-1', '1e1', 'x', ''])
    assert.throws(() => parsePercentage(text), { code: 'commander.invalidArgument' });
  for (const text of ['10', '0ms', '25h', 'm', '1d', '-1s'])
    assert.throws(() => parseMs(text), { code: 'commander.invalidArgument' });
  assert.equal(parseMs('1.5s'), 1_500);
});
