/**
 * What tail sampling costs: at ingest, to decide, and to take away what was decided against. CPU of the engine and of this process.
 *
 *   node bench/sampling.ts [--spans 600000] [--shape jaeger|gas] [--percentage 10]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { decodeTraces } from '../backend/collector/otlp-traces.ts';
import { DEFAULT_TAIL_SAMPLING } from '../backend/collector/sampling/policies.ts';
import { TailSamplingPass } from '../backend/collector/sampling/tail-sampler.ts';
import type { ChdbEngine } from '../backend/store/chdb-engine.ts';
import { openStore, type OpenStore } from '../backend/store/open-store.ts';
import { SpanColumns } from '../backend/store/span-columns.ts';
import { makeBodies, type Shape } from './ingest/otlp-bodies.ts';
import { cpuSeconds, loadAverage } from './ingest/processes.ts';

const ROWS_PER_INSERT = 20_000;
const REST_MS = 3_000;

const { values } = parseArgs({
  options: {
    spans: { type: 'string', default: '600000' },
    shape: { type: 'string', default: 'jaeger' },
    percentage: { type: 'string', default: '10' },
  },
});
const spans = Number(values.spans);
const policies = {
  ...DEFAULT_TAIL_SAMPLING,
  samplingPercentage: Number(values.percentage),
  // The shape's traces are all of them slow and rare: only errors and the draw are to keep any.
  latencyThresholdMs: 86_400_000,
  rareFlowsPerHour: 0,
  decisionWaitMs: 1_000,
};

console.log(`${spans} spans, shape ${values.shape}, load ${loadAverage()}`);
for (const tailSampling of [false, true]) {
  const folder = await mkdtemp(join(tmpdir(), 'spoor-sampling-'));
  try {
    await using store = await openStore({ dataDir: folder, tailSampling });
    const lap = cpuLaps(store);
    await ingest(store);
    console.log(`ingest, sampling ${tailSampling ? 'on ' : 'off'}  ${lap()}`);
    if (!tailSampling) continue;
    const pass = new TailSamplingPass(store.sampling, policies);
    const before = await sizeOf(store);
    let passes = 0;
    for (let isDone = false; !isDone; passes += 1) {
      const { kept, dropped, isBehind } = await pass.run();
      isDone = kept + dropped === 0 && !isBehind;
    }
    console.log(`${passes} passes            ${lap()}`);
    while ((await store.sampling.dropping()).underWay > 0) await sleep(50);
    console.log(`taking away          ${lap()}`);
    for (const { policy, kept, traces } of pass.counts.all)
      console.log(`  ${kept ? 'kept' : 'dropped'} ${traces} traces: ${policy}`);
    console.log(`  ${before}, then ${await sizeOf(store)}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function ingest(store: OpenStore): Promise<void> {
  const bodies = makeBodies(values.shape as Shape, Math.min(5, spans / ROWS_PER_INSERT), ROWS_PER_INSERT);
  const columns = new SpanColumns();
  for (let insert = 0; insert * ROWS_PER_INSERT < spans; insert += 1) {
    const body = bodies[insert % bodies.length];
    if (!body) throw new Error('no bodies');
    body.refresh(insert, Date.now() * 1e6, 1e9);
    columns.clear();
    decodeTraces(body.bytes, columns);
    await store.writer.writeSpanColumns(columns);
  }
  // Merges belong to it.
  await sleep(REST_MS);
}

async function sizeOf(store: OpenStore): Promise<string> {
  const [row] = await store.engine.rows(
    `SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE table = 'spans' AND active`,
  );
  return `${String(row?.[0])} spans of ${String(row?.[1])} bytes`;
}

/** CPU since the last lap, of a million spans. */
function cpuLaps(store: OpenStore): () => string {
  const engine = (store.engine as ChdbEngine).pid as number;
  let [ofEngine, ofUs] = [cpuSeconds(engine), process.cpuUsage()];
  return () => {
    const [engineNow, us] = [cpuSeconds(engine), process.cpuUsage(ofUs)];
    const perMillion = (seconds: number) => ((seconds / spans) * 1e6).toFixed(1);
    const text = `CPU s per million: engine ${perMillion(engineNow - ofEngine)}, this process ${perMillion((us.user + us.system) / 1e6)}`;
    [ofEngine, ofUs] = [engineNow, process.cpuUsage()];
    return text;
  };
}
