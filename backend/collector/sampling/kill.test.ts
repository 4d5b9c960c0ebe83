import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { STATUS_CODE } from '../../../function/span/span-data.ts';
import { openStore } from '../../store/open-store.ts';
import { span, temporaryFolder, traceIdOf } from '../../store/testing.ts';
import { tracesProtobuf } from '../testing.ts';
import { draw } from './policies.ts';
import { TailSamplingPass } from './tail-sampler.ts';
import { KILLED_SAMPLING } from './testing-policies.ts';

/** `SPOOR_TEST_KILLS=50 node --test backend/collector/sampling/kill.test.ts` */
const KILLS = Number(process.env['SPOOR_TEST_KILLS'] ?? 3);
const SENDERS = 2;
const SPANS_PER_TRACE = 5;

interface SentFlow {
  readonly traceIds: readonly [string, string];
  readonly failed: boolean;
}

void test(
  'the backend is killed while it decides: flows with an error are there, the others are there or gone, each as a whole',
  { timeout: 120_000 + KILLS * 20_000 },
  async () => {
    await using folder = await temporaryFolder();
    const acknowledged: SentFlow[] = [];
    for (let kills = 0; kills < KILLS; kills += 1) {
      const backend = spawn(
        process.execPath,
        [join(import.meta.dirname, 'testing-backend.ts'), folder.path],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const exited = once(backend, 'exit');
      const lines = createInterface({ input: backend.stdout });
      const [url] = (await Promise.race([once(lines, 'line'), exited])) as [string];
      assert.equal(backend.exitCode, null, 'the backend ends instead of starting');
      const senders = Array.from({ length: SENDERS }, async () => {
        for (;;) {
          const flow = await send(url).catch(() => undefined);
          if (flow === undefined) return;
          acknowledged.push(flow);
          await sleep(5);
        }
      });
      // Long enough that it decides, and not always at the same point of it.
      await sleep(1_200 + randomInt(800));
      backend.kill('SIGKILL');
      await exited;
      await Promise.all(senders);
    }
    assert.ok(acknowledged.length > 0);

    await using store = await openStore({ dataDir: folder.path, tailSampling: true });
    const { sampling } = store;
    const pass = new TailSamplingPass(sampling, KILLED_SAMPLING);
    const traceIds = acknowledged.flatMap((flow) => flow.traceIds);
    while ((await sampling.decisions(traceIds, 0)).length < traceIds.length) {
      if ((await sampling.dropping()).underWay === 0) await pass.run();
      await sleep(20);
    }
    while ((await sampling.dropping()).underWay > 0) await sleep(20);

    const rows = await store.engine.rows(
      'SELECT lower(hex(trace_id)), uniqExact(span_id) FROM spans GROUP BY trace_id',
    );
    const kept = new Map(rows.map(([traceId, spans]) => [traceId as string, Number(spans)]));
    for (const { traceIds: ids, failed } of acknowledged) {
      const [first] = ids.toSorted() as [string];
      const wanted = failed || draw(first) < KILLED_SAMPLING.samplingPercentage / 100 ? SPANS_PER_TRACE : 0;
      assert.deepEqual(
        ids.map((traceId) => kept.get(traceId) ?? 0),
        [wanted, wanted],
      );
    }
  },
);

/** Two traces that a link joins; a fourth of them has an error in the second. */
async function send(url: string): Promise<SentFlow | undefined> {
  const traceIds = [traceIdOf(), traceIdOf()] as const;
  const failed = randomInt(4) === 0;
  const startTimeUnixNano = BigInt(Date.now()) * 1_000_000n;
  const times = { startTimeUnixNano, endTimeUnixNano: startTimeUnixNano + 1_000_000n };
  const cause = span({ traceId: traceIds[0], ...times });
  const link = { ...cause, traceState: '', flags: 1, attributes: {}, droppedAttributesCount: 0 };
  const spans = [cause];
  while (spans.length < SPANS_PER_TRACE) spans.push(span({ traceId: traceIds[0], ...times }));
  spans.push(span({ traceId: traceIds[1], links: [link], ...times }));
  while (spans.length < 2 * SPANS_PER_TRACE - 1) spans.push(span({ traceId: traceIds[1], ...times }));
  const code = failed ? STATUS_CODE.error : STATUS_CODE.ok;
  spans.push(span({ traceId: traceIds[1], status: { code, message: '' }, ...times }));
  const response = await fetch(`${url}/v1/traces`, {
    method: 'POST',
    body: tracesProtobuf(spans),
    headers: { 'content-type': 'application/x-protobuf' },
  });
  await response.arrayBuffer();
  return response.status === 200 ? { traceIds, failed } : undefined;
}
