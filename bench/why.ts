/**
 * How fast an answer to "why" comes, over HTTP from a store that is full:
 *
 *   node bench/why.ts [--spans 1000000] [--wide 1000000] [--runs 20] [--seconds 20]
 *
 *   why       of a trace among `--spans` spans (target at 10 M: 300 ms)
 *   flow      of 10,000 spans over 200 traces that links join (target: 1 s)
 *   outliers  of a function with `--wide` invocations, 200 attributes each, of which one value of a 2 % share makes it fail: it must be
 *             at rank 1 (target: 1 s), and with labels shuffled nothing may be said
 *
 * Each question is asked `--runs` times, or as often as goes into `--seconds`; `--wide 0` leaves the last out. Prints medians, the
 * slowest, and CPU per answer of this process and the engine's together. `--spans 10000000` takes some minutes to fill.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ChdbEngine } from '../backend/store/chdb-engine.ts';
import { startQuery } from '../backend/query/query.ts';
import type { FlowJson, FunctionJson, WhyJson } from '../backend/query/shapes.ts';
import { openStore, type OpenStore } from '../backend/store/open-store.ts';
import { span, spanIdOf, traceIdOf } from '../backend/store/testing.ts';
import { silentLog } from '../server/log.ts';
import { fill, NANO_PER_SPAN } from './query/fill.ts';

const { values } = parseArgs({
  options: {
    spans: { type: 'string', default: '1000000' },
    wide: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '20' },
  },
});
const SPANS = Number(values.spans);
const WIDE = Number(values.wide);
const FLOW_TRACES = 200;
const SPANS_PER_TRACE = 50;

const folder = await mkdtemp(join(tmpdir(), 'spoor-bench-why-'));
try {
  await using store = await openStore({ dataDir: folder });
  await using api = await startQuery({ reader: store.reader, port: 0, log: silentLog() });
  console.log(`${SPANS} spans, ${availableParallelism()} cores, load ${loadavg()[0]?.toFixed(1)}`);
  const startNano = (Date.now() - 60_000) * 1e6 - SPANS * NANO_PER_SPAN;
  await fill(store, SPANS, startNano);

  const ids = await someTraces(store);
  await measure(store, 'why', 300, async (i) => {
    const why = await get<WhyJson>(`${api.url}/api/traces/${ids[i % ids.length]}/why`);
    return `${why.outcome}, ${why.account.segments.length} segments`;
  });
  const flowId = await writeFlow(store);
  await measure(store, 'flow of 10,000 spans', 1_000, async () => {
    const flow = await get<FlowJson>(`${api.url}/api/flows/${flowId}`);
    return `${flow.spanCount} spans, ${flow.traceIds.length} traces`;
  });
  await measure(store, 'why of that flow', 1_000, async () => {
    const why = await get<WhyJson>(`${api.url}/api/traces/${flowId}/why`);
    return `${why.outcome}, ${why.traceIds.length} traces`;
  });
  if (WIDE > 0) {
    await writeWide(store);
    for (const name of ['planted', 'shuffled'])
      await measure(store, `outliers, ${name}`, 1_000, async () => {
        const { outliers } = await get<FunctionJson>(`${api.url}/api/functions/${name}?lookback=3600000`);
        const [first] = outliers;
        return `${WIDE} invocations: ${first ? `${first.key}=${first.value}` : 'nothing to say'}`;
      });
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(
  store: OpenStore,
  name: string,
  targetMs: number,
  ask: (i: number) => Promise<string>,
): Promise<void> {
  const pid = (store.engine as ChdbEngine).pid;
  const times: number[] = [];
  let said = await ask(0);
  const cpuBefore = await cpuMs(pid);
  const from = performance.now();
  for (let i = 0; i < Number(values.runs); i += 1) {
    if (i > 0 && performance.now() - from > Number(values.seconds) * 1_000) break;
    const at = performance.now();
    said = await ask(i + 1);
    times.push(performance.now() - at);
  }
  const cpu = ((await cpuMs(pid)) - cpuBefore) / times.length;
  times.sort((a, b) => a - b);
  const median = times[Math.floor((times.length - 1) / 2)] ?? 0;
  console.log(
    `${name.padEnd(24)} p50 ${median.toFixed(0).padStart(5)} ms, slowest ${(times.at(-1) ?? 0).toFixed(0).padStart(5)} ms (target ${targetMs}), CPU ${cpu.toFixed(0).padStart(5)} ms, n ${times.length}; ${said}`,
  );
}

/** User and system time of this process and the engine's, ms. */
async function cpuMs(pid: number | undefined): Promise<number> {
  const { user, system } = process.cpuUsage();
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Ticks of 10 ms: utime and stime are the 14th and 15th field (proc_pid_stat(5)).
  return (user + system) / 1_000 + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10;
}

async function get<Body>(url: string): Promise<Body> {
  const response = await fetch(url, { signal: AbortSignal.timeout(60_000) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Body;
}

async function someTraces(store: OpenStore): Promise<string[]> {
  const rows = await store.engine.rows(
    `SELECT lower(hex(trace_id)) FROM spans WHERE parent_span_id = toFixedString('', 8) ORDER BY cityHash64(trace_id) LIMIT 100`,
  );
  return rows.map(([id]) => id as string);
}

/** A tree of traces: each links to the one that it goes on from. */
async function writeFlow(store: OpenStore): Promise<string> {
  const start = BigInt(Date.now()) * 1_000_000n - 30_000_000_000n;
  const roots = Array.from({ length: FLOW_TRACES }, () => ({ traceId: traceIdOf(), spanId: spanIdOf() }));
  const spans = roots.flatMap((root, t) => {
    const at = start + BigInt(t) * 50_000_000n;
    const before = t === 0 ? undefined : roots[Math.floor((t - 1) / 3)];
    const links = before
      ? [{ ...before, traceState: '', flags: 1, attributes: {}, droppedAttributesCount: 0 }]
      : [];
    return Array.from({ length: SPANS_PER_TRACE }, (_, i) =>
      span({
        traceId: root.traceId,
        ...(i === 0 ? { spanId: root.spanId, links } : { parentSpanId: root.spanId }),
        name: i === 0 ? 'process chain' : 'step',
        kind: i === 0 ? 5 : 1,
        startTimeUnixNano: at + BigInt(i) * 500_000n,
        endTimeUnixNano: at + (i === 0 ? 40_000_000n : BigInt(i) * 500_000n + 400_000n),
      }),
    );
  });
  await store.writer.writeSpans(spans);
  return roots[FLOW_TRACES / 2]?.traceId ?? '';
}

/** Two functions of the same numbers: in `planted` a value of 2 % share fails 60 times of 100, in `shuffled` as many fail anyhow. */
async function writeWide(store: OpenStore): Promise<void> {
  const from = BigInt(Date.now() - 1_800_000) * 1_000_000n;
  const step = 1_700_000_000_000n / BigInt(WIDE);
  for (const [service, failed] of [
    ['planted', `cause = 'ja' AND rand(1) % 100 < 60`],
    ['shuffled', `rand(1) % 1000 < 12`],
  ] as const) {
    await store.writer.writeSpans([
      span({
        name: service,
        resource: { 'service.name': service, 'faas.name': service },
        attributes: { 'faas.trigger': 'http', 'faas.name': service },
        startTimeUnixNano: from,
        endTimeUnixNano: from + 5_000_000n,
      }),
    ]);
    const attributes = `mapFromArrays(arrayConcat(arrayMap(k -> concat('attribute.', toString(k)), range(199)), ['card.language']), arrayConcat(arrayMap(k -> concat('v', toString(cityHash64(number, k) % (k + 2))), range(199)), [cause]))`;
    for (let at = 0; at < WIDE; at += 50_000)
      await store.engine.command(
        `INSERT INTO spans (trace_id, span_id, service, name, kind, status, start, duration, resource, attributes)
         SELECT toFixedString(randomFixedString(16), 16), toFixedString(randomFixedString(8), 8), '${service}', '${service}', 2, if(${failed}, 2, 0),
          fromUnixTimestamp64Nano(toInt64(${from} + (number + 1) * ${step}), 'UTC'), 5000000 + rand(3) % 1000000,
          '{"service.name":"${service}","faas.name":"${service}"}', ${attributes}
         FROM (SELECT number, if(rand(2) % 50 = 0, 'ja', 'en') AS cause FROM numbers(${at}, ${Math.min(50_000, WIDE - at)})) SETTINGS max_threads = 2`,
      );
  }
}
