/**
 * What a killed process leaves: ours and peers make invocations (a root and three children each) until SIGKILL at a random instant;
 * what arrived is held against a list of started and ended spans that the process kept outside all tracing.
 *
 *     node bench/kill.ts [kills]        default 20 per variant
 *
 * A span counts as ended in the truth only after `end()` has returned, and as started only after it was started, so that at most one
 * more may have survived than the truth knows of.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { context, trace, type Span, type Tracer } from '@opentelemetry/api';
import { start as startAgent } from '../function/agent/agent.ts';
import { textOf } from '../cli/trace/text-of.ts';
import { OtlpSink } from '../function/agent/test/otlp-sink.ts';
import { startTracing } from '../function/span/tracing.ts';
import { conditions, table } from './side-by-side.ts';

const VARIANTS = ['spoor, mapped', 'spoor, writes', 'OpenTelemetry, batch', 'OpenTelemetry, simple'] as const;
type VariantName = (typeof VARIANTS)[number];

/** A kill falls somewhere in here after the first invocation. */
const MAX_LIFE_MS = 400;
/** After the death, what is still under way may arrive. */
const SETTLE_MS = 300;

interface Count {
  ended: number;
  endedLost: number;
  open: number;
  openLost: number;
  /** Open spans that arrived and do not say that they are unfinished. */
  openUnmarked: number;
  repeated: number;
}

const [role, variant, target, truth] = process.argv.slice(2);
if (role === 'victim') await live(variant as VariantName, target as string, truth as string);
else await compare(Number(role ?? 20));

async function compare(kills: number): Promise<void> {
  const counts = new Map<VariantName, Count>(
    VARIANTS.map((name) => [
      name,
      { ended: 0, endedLost: 0, open: 0, openLost: 0, openUnmarked: 0, repeated: 0 },
    ]),
  );
  for (let kill = 0; kill < kills; kill++) {
    for (const [name, count] of counts) await killOne(name, count);
  }
  console.log(`${kills} kills by SIGKILL at random instants, for each; ${conditions()}`);
  console.log(
    table([
      ['', 'ended', 'of them lost', 'open at death', 'of them lost', 'not marked unfinished', 'repeated'],
      ...[...counts].map(([name, count]) => [
        name,
        String(count.ended),
        String(count.endedLost),
        String(count.open),
        String(count.openLost),
        String(count.openUnmarked),
        String(count.repeated),
      ]),
    ]),
  );
}

async function killOne(name: VariantName, count: Count): Promise<void> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'spoor-bench-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const sink = stack.use(await OtlpSink.start());
  const isOurs = name.startsWith('spoor');
  const agent = isOurs
    ? stack.use(
        await startAgent({
          journalDirs: [folder],
          spoolDir: join(folder, 'spool'),
          collectorUrl: sink.url,
        }),
      )
    : undefined;
  const truthPath = join(folder, 'truth');
  const child = spawn(
    process.execPath,
    [import.meta.filename, 'victim', name, isOurs ? join(folder, 'victim.journal') : sink.url, truthPath],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const exited = once(child, 'exit');
  while (!existsSync(truthPath) || readFileSync(truthPath).length === 0) await sleep(2);
  await sleep(Math.random() * MAX_LIFE_MS);
  child.kill('SIGKILL');
  await exited;
  if (agent) {
    while (agent.status().journals > 0) await sleep(20);
    await agent.delivered(AbortSignal.timeout(10_000));
  } else await sleep(SETTLE_MS);

  const { ended, open } = readTruth(truthPath);
  const arrived = new Map(sink.spans.map((span) => [textOf(span.attributes['n']), span]));
  count.repeated += sink.spans.length - arrived.size;
  count.ended += ended.size;
  count.open += open.size;
  for (const n of ended) if (!arrived.has(n)) count.endedLost += 1;
  for (const n of open) {
    const span = arrived.get(n);
    if (!span) count.openLost += 1;
    // It may have ended between end() and the line that would have said so.
    else if (span.attributes['spoor.unfinished'] !== true && n !== lastOf(open)) count.openUnmarked += 1;
  }
}

function lastOf(values: ReadonlySet<string>): string | undefined {
  return [...values].at(-1);
}

/** `s N` started, `e N` ended, a line each. */
function readTruth(path: string): { readonly ended: Set<string>; readonly open: Set<string> } {
  const ended = new Set<string>();
  const open = new Set<string>();
  // A torn last line is nobody's.
  for (const line of readFileSync(path, 'latin1').split('\n').slice(0, -1)) {
    const n = line.slice(2);
    if (line.startsWith('s')) open.add(n);
    else {
      open.delete(n);
      ended.add(n);
    }
  }
  return { ended, open };
}

async function live(name: VariantName, to: string, truthPath: string): Promise<void> {
  const tracer = name.startsWith('spoor') ? ours(name, to) : await openTelemetry(name, to);
  const fd = openSync(truthPath, 'w');
  let n = 0;
  const begin = (parent: Span | undefined) => {
    const own = String((n += 1));
    const span = tracer.startSpan(
      parent ? 'child' : 'root',
      { attributes: { n: own }, root: parent === undefined },
      parent ? trace.setSpan(context.active(), parent) : context.active(),
    );
    writeSync(fd, `s ${own}\n`);
    const end = () => {
      span.end();
      writeSync(fd, `e ${own}\n`);
    };
    return { span, end };
  };
  for (;;) {
    const root = begin(undefined);
    for (let i = 0; i < 3; i++) {
      const child = begin(root.span);
      if (i === 1) await sleep(1);
      child.end();
    }
    root.end();
  }
}

function ours(name: VariantName, journal: string): Tracer {
  const tracing = startTracing({
    journal,
    transport: name === 'spoor, mapped' ? 'map' : 'write',
    resource: { 'service.name': 'victim' },
  });
  if (tracing.failure) throw tracing.failure;
  return tracing.tracer('bench');
}

async function openTelemetry(name: VariantName, url: string): Promise<Tracer> {
  const { BatchSpanProcessor, SimpleSpanProcessor, TracerProvider } =
    await import('@opentelemetry/sdk-trace');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
  const exporter = new OTLPTraceExporter({ url: `${url}/v1/traces` });
  const processor =
    name === 'OpenTelemetry, batch'
      ? new BatchSpanProcessor({ exporter })
      : new SimpleSpanProcessor({ exporter });
  return new TracerProvider({ spanProcessors: [processor] }).getTracer('bench');
}
