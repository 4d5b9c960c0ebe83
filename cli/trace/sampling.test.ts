import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import type { SamplingJson } from '../../backend/query/shapes.ts';
import { Failure } from '../../server/failure.ts';
import { listen } from '../../server/listen.ts';
import { closeHttpServer } from '../../server/stop.ts';
import { samplingLines, whyMissing } from './sampling.ts';

const TRACE_ID = 'ab'.repeat(16);
const UNDECIDED: SamplingJson = {
  traceId: TRACE_ID,
  decided: false,
  kept: true,
  policy: '',
  probability: 1,
  adjustedCount: 1,
};

/** A query API that knows what was decided, and nothing else. */
async function answering(sampling: SamplingJson) {
  const server = createServer((request, response) => {
    assert.equal(request.url, `/api/traces/${TRACE_ID}/sampling`);
    response.setHeader('content-type', 'application/json').end(JSON.stringify(sampling));
  });
  const { url } = await listen(server, { host: '127.0.0.1', port: 0 }, 'query');
  return { url, [Symbol.asyncDispose]: () => closeHttpServer(server) };
}

const shown: readonly [string, Partial<SamplingJson>, string][] = [
  ['nothing while nothing is decided', {}, ''],
  ['why it was kept', { decided: true, policy: 'status_code' }, 'kept by tail sampling: status_code'],
  [
    'how many it stands for when it was drawn',
    { decided: true, policy: 'probabilistic', probability: 0.1, adjustedCount: 10 },
    'kept by tail sampling: probabilistic; it stands for 10 traces',
  ],
];

for (const [name, sampling, line] of shown)
  void test(`below a trace stands ${name}`, async () => {
    await using query = await answering({ ...UNDECIDED, ...sampling });
    assert.equal((await samplingLines(query.url, TRACE_ID)).join('').trim(), line);
  });

void test('a trace that is missing since it was dropped says so; any other error stays as it is', async () => {
  const missing = new Failure('query', 'not_found', 'no such trace');
  {
    await using query = await answering({
      ...UNDECIDED,
      decided: true,
      kept: false,
      policy: 'late',
      probability: 0.1,
    });
    const error = await whyMissing(missing, query.url, TRACE_ID);
    assert.match(String(error), /tail sampling dropped it \(late\); 10 % of traces like it are kept/);
    const broken = new Failure('cli', 'unavailable', 'cannot reach it');
    assert.equal(await whyMissing(broken, query.url, TRACE_ID), broken);
  }
  await using query = await answering(UNDECIDED);
  assert.equal(await whyMissing(missing, query.url, TRACE_ID), missing);
});
