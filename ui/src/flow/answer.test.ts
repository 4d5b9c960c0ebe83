import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerOf } from './answer.ts';
import type { Step, Try } from './journey.ts';

const step = (id: string, causeId: string, over: Partial<Step> = {}): Step => ({
  id: `t/${id}`,
  kind: 'function',
  title: id,
  note: '',
  span: { traceId: 't', spanId: id },
  tries: [],
  isError: false,
  isCold: false,
  waitingFor: [],
  startUnixNano: 0n,
  endUnixNano: 1n,
  causeId: causeId === '' ? '' : `t/${causeId}`,
  ...over,
});
const record = (id: string, causeId: string, over: Partial<Step> = {}) =>
  step(id, causeId, { kind: 'record', note: '0/3', ...over });
const tries = (...reasons: readonly string[]): readonly Try[] =>
  reasons.map((reason, i) => ({
    span: { traceId: 't', spanId: `try ${i + 1}` },
    isError: reason !== '',
    reason,
    durationNanos: 1,
  }));
const NOW = 100_000;
const answer = (steps: readonly Step[], over: Partial<Parameters<typeof answerOf>[1]> = {}) =>
  answerOf(
    { steps, ways: [] },
    { settled: true, waitingFor: [], durationNano: '1240000000', ...over },
    new Set(['errors']),
    NOW,
  );
const START = [step('POST /', '', { kind: 'entry' }), record('greetings', 'POST /')];

void test('given up: who failed, how often and how, and where the record lies', () => {
  const found = answer([
    ...START,
    step('image', 'greetings', { isError: true, tries: tries('SIGKILL', 'timeout') }),
    record('errors', 'image'),
  ]);
  assert.deepEqual(found, {
    tone: 'failed',
    outcome: 'Given up',
    text: 'image failed 2 times, the last time: timeout; its dead letter lies in errors 0/3, and nothing has sent it back.',
    span: { traceId: 't', spanId: 'try 2' },
    deadLetterTopic: 'errors',
  });
});

void test('sent back and done: the failure before that is no answer any more', () => {
  const found = answer([
    ...START,
    step('image', 'greetings', { isError: true, tries: tries('SIGKILL') }),
    record('errors', 'image'),
    record('again', 'errors'),
    step('image again', 'again', { tries: tries('') }),
  ]);
  assert.equal(`${found.outcome} ${found.text}`, 'Done in 1.24 s, after its dead letter was sent back.');
  assert.equal(found.tone, 'healthy');
});

void test('a record that nobody has taken says for how long', () => {
  const waitingFor = [
    {
      traceId: 't',
      spanId: 'greetings',
      topic: 'greetings',
      consumerGroup: 'cards',
      sinceUnixNano: '40000000000',
    },
  ];
  const found = answer(START, { settled: false, waitingFor });
  assert.equal(
    `${found.outcome}: ${found.text}`,
    'Waits: cards has not taken the record greetings 0/3 for 1 m 00 s.',
  );
});

void test('of a chain of failures the one that nothing behind it explains', () => {
  const found = answer([
    step('POST /', '', { kind: 'entry', isError: true }),
    step('greeter', 'POST /', { isError: true, tries: tries('500') }),
    step('validator', 'greeter', { isError: true, tries: tries('TypeError: no\n  at x') }),
  ]);
  assert.equal(
    `${found.outcome}: ${found.text}`,
    'Failed: validator failed: TypeError: no. 2 more failed with it.',
  );
});

void test('a try that was made good is told, and is no failure', () => {
  const found = answer([...START, step('image', 'greetings', { tries: tries('oom', 'oom', '') })]);
  assert.equal(`${found.outcome} ${found.text}`, 'Done in 1.24 s, after 2 failed tries (oom) of image.');
});

void test('what goes well, and what is not over, in a word', () => {
  assert.equal(answer(START).text, 'in 1.24 s.');
  assert.deepEqual(
    [answer(START, { settled: false })].map(({ outcome, tone }) => [outcome, tone]),
    [['Goes on', 'open']],
  );
});
