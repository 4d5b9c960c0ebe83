import type { FastifyInstance } from 'fastify';
import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { CONFIDENT, type Cause, type Evidence } from '../diagnosis/causes/cause.ts';
import { excessOf } from '../diagnosis/causes/delays.ts';
import { waitOf } from '../diagnosis/causes/queue-lag.ts';
import { buildFlow, withGroups, type FlowNode } from '../diagnosis/flow.ts';
import { baselineOf, healthyTwin, type Twin } from '../diagnosis/healthy-twin.ts';
import { lastEndOf, runOfTrace, startOf, type Run } from '../diagnosis/run.ts';
import {
  endOf,
  groupOf,
  instanceOf,
  invokedOf,
  isFunctionSpan,
  isInvoke,
  partitionOf,
  serviceOf,
  topicOf,
} from '../diagnosis/span-facts.ts';
import { verdict } from '../diagnosis/verdict.ts';
import type { StoreReader } from '../store/store.ts';
import { refOf, toAccountJson } from './diagnosis-json.ts';
import { notFound } from './jaeger-v1.ts';
import { flowsAround, loadFlow } from './load-flow.ts';
import { requireTraceId } from './params.ts';
import { nowUnixNano, pathParam, sendJson, type ReaderOf } from './request.ts';
import type { CauseJson, TwinJson, WhyJson } from './shapes.ts';

/** Runs of the same kind that are looked at, and how far around. */
const MAX_OTHERS = 40;
const BEFORE_NANO = 6n * 3_600n * 1_000_000_000n;
const AFTER_NANO = 600n * 1_000_000_000n;
const MAX_STRAYS = 20;
/** A wait from which on it is looked at what went on meanwhile; what began so long before may still have been going on. */
const LEAST_WAIT_NANO = 100_000_000n;
const BUSY_SINCE_NANO = 60_000_000_000n;
const MAX_PLACES = 3;
const MAX_MESSAGES = 1_000;
const MAX_NEIGHBOURS = 20;
/** Spans named beside one cause or sentence. */
const MAX_REFS = 20;
/** When other runs too are spread over several traces: each of so many is followed. */
const MAX_FOLLOWED = 12;

/** Why it failed, or was slow. */
export function addWhy(app: FastifyInstance, readerOf: ReaderOf): void {
  app.get('/api/traces/:traceId/why', async (request, reply) => {
    const reader = readerOf(request);
    const traceId = requireTraceId(pathParam(request, 'traceId'), 'traceID');
    const why = await explain(reader, traceId);
    if (!why) throw notFound();
    return sendJson(request, reply, why);
  });
}

/** The verdict on a trace, with what it rests on; undefined when the store does not have it. */
export async function explain(reader: StoreReader, traceId: string): Promise<WhyJson | undefined> {
  const [loaded, arrivalLagNano] = await Promise.all([loadFlow(reader, traceId), reader.arrivalLag(traceId)]);
  if (!loaded) return undefined;
  const run = runOfTrace(traceId, loaded.flow);
  const others = await runsLike(reader, run, loaded.flow.traceIds);
  const flow = withGroups(loaded.flow, new Map([...groupsOf(others), ...loaded.groupsByTopic]));
  const baseline = baselineOf(run, others);
  const isSlow = excessOf({ run, baseline }) > 0n;
  const [strays, neighbours] = await Promise.all([
    straysOf(reader, run, others, loaded.flow.traceIds),
    isSlow ? neighboursOf(reader, run, [run, ...others]) : [],
  ]);
  const evidence: Evidence = {
    run,
    others,
    baseline,
    twin: healthyTwin(run, others),
    strays,
    neighbours,
    arrivalLagNano,
    nowUnixNano: nowUnixNano(),
  };
  const found = verdict(evidence, flow);
  return {
    traceId,
    outcome: found.outcome,
    summary: found.summary,
    determined: found.determined,
    notDetermined: found.notDetermined,
    causes: found.causes.map(toCause),
    account: toAccountJson(traceId, run.account),
    twin: evidence.twin ? toTwin(evidence.twin) : null,
    traceIds: loaded.flow.traceIds,
    settled: flow.settled,
  };
}

/** Other runs that began in the same way: the same operation of the same service, before and a little after. */
async function runsLike(reader: StoreReader, run: Run, own: readonly string[]): Promise<Run[]> {
  const root = run.roots[0]?.span;
  if (!root) return [];
  const start = startOf(run);
  const traces = await reader.findTraces({
    service: serviceOf(root),
    operation: root.name,
    range: { startUnixNano: start > BEFORE_NANO ? start - BEFORE_NANO : 0n, endUnixNano: start + AFTER_NANO },
    attributes: {},
    limit: MAX_OTHERS,
  });
  const found = traces.filter((spans) => !own.includes(spans[0]?.traceId ?? ''));
  if (own.length === 1) return found.map(toOwnRun);
  // A flow over several traces is compared with whole flows.
  const flows = await flowsAround(reader, newestAndBefore(found, start));
  return flows.map(({ traceId, flow }) => runOfTrace(traceId, flow));
}

/** Of a burst the newest ones were all held up together: half of those that are followed were over before. */
function newestAndBefore(
  found: readonly (readonly SpanData[])[],
  startUnixNano: bigint,
): (readonly SpanData[])[] {
  const before = found
    .filter((spans) => spans.every((span) => endOf(span) <= startUnixNano))
    .slice(0, MAX_FOLLOWED / 2);
  const newest = found.filter((spans) => !before.includes(spans)).slice(0, MAX_FOLLOWED - before.length);
  return [...newest, ...before];
}

/** Traces that began during this one and belong to no flow with it; asked for only when something is missing here. */
async function straysOf(
  reader: StoreReader,
  run: Run,
  others: readonly Run[],
  own: readonly string[],
): Promise<Run[]> {
  const isMissing = others.some(
    (other) => !other.isFailed && [...other.versions.keys()].some((name) => !run.versions.has(name)),
  );
  if (!isMissing) return [];
  const known = new Set([...own, ...others.map((other) => other.traceId)]);
  const traces = await reader.findTraces({
    range: { startUnixNano: startOf(run), endUnixNano: lastEndOf(run) },
    attributes: {},
    limit: MAX_STRAYS,
  });
  return traces.filter((spans) => !known.has(spans[0]?.traceId ?? '')).map(toOwnRun);
}

/** What else went on in the partitions where records waited, and in the processes that a request stood before. */
async function neighboursOf(reader: StoreReader, run: Run, known: readonly Run[]): Promise<Run[]> {
  const receivers = run.nodes
    .filter((node) => node.span.kind === SPAN_KIND.consumer && waitOf(node) >= LEAST_WAIT_NANO)
    .slice(0, MAX_PLACES);
  const invokes = run.nodes
    .filter((node) => isInvoke(node.span) && wayThereOf(node) >= LEAST_WAIT_NANO)
    .slice(0, MAX_PLACES);
  const seen = new Set(known.map(({ traceId }) => traceId));
  const inPartitions = await Promise.all(receivers.map((node) => deliveriesNear(reader, node)));
  const wanted = [...new Set(inPartitions.flat())].filter((id) => !seen.has(id)).slice(0, MAX_NEIGHBOURS);
  const [ahead, ...beside] = await Promise.all([
    reader.traces(wanted),
    ...invokes.map((node) => invocationsNear(reader, node)),
  ]);
  const traces = [...ahead, ...beside.flat()];
  return traces.flatMap((spans) => {
    const [first] = spans;
    if (!first || seen.has(first.traceId)) return [];
    seen.add(first.traceId);
    return [toOwnRun(spans)];
  });
}

async function deliveriesNear(reader: StoreReader, { span, cause }: FlowNode): Promise<string[]> {
  const sent = cause ? endOf(cause.span) : span.startTimeUnixNano;
  const partition = partitionOf(span);
  const found = await reader.messages({
    topic: topicOf(span),
    ...(/^\d{1,9}$/.test(partition) ? { partition: Number(partition) } : {}),
    range: { startUnixNano: sent - BUSY_SINCE_NANO, endUnixNano: span.startTimeUnixNano },
    limit: MAX_MESSAGES,
  });
  return found
    .filter(
      (message) =>
        message.kind === SPAN_KIND.consumer &&
        message.consumerGroup === groupOf(span) &&
        message.startUnixNano + message.durationNano > sent,
    )
    .map(({ traceId }) => traceId);
}

async function invocationsNear(
  reader: StoreReader,
  node: FlowNode,
): Promise<readonly (readonly SpanData[])[]> {
  const ran = node.effects.find(({ span }) => isFunctionSpan(span));
  if (!ran || instanceOf(ran.span) === '') return [];
  return await reader.findTraces({
    service: invokedOf(node.span),
    range: {
      startUnixNano: node.span.startTimeUnixNano - BUSY_SINCE_NANO,
      endUnixNano: ran.span.startTimeUnixNano,
    },
    attributes: { 'resource.faas.instance': instanceOf(ran.span) },
    limit: MAX_NEIGHBOURS,
  });
}

/** From asking for the function to its first moment. */
function wayThereOf({ span, effects }: FlowNode): bigint {
  const ran = effects.find((effect) => isFunctionSpan(effect.span));
  return ran ? ran.span.startTimeUnixNano - span.startTimeUnixNano : 0n;
}

function toOwnRun(spans: readonly SpanData[]): Run {
  return runOfTrace(spans[0]?.traceId ?? '', buildFlow(spans));
}

/** Who reads which topic, as the other runs show. */
function groupsOf(runs: readonly Run[]): Map<string, string[]> {
  const groups = new Map<string, Set<string>>();
  for (const { nodes } of runs)
    for (const { span } of nodes) {
      if (span.kind !== SPAN_KIND.consumer || topicOf(span) === '') continue;
      const known = groups.get(topicOf(span)) ?? new Set();
      groups.set(topicOf(span), known.add(groupOf(span)));
    }
  return new Map([...groups].map(([topic, names]) => [topic, [...names]]));
}

function toCause(cause: Cause): CauseJson {
  return {
    kind: cause.kind,
    title: cause.title,
    score: cause.score,
    confident: cause.score >= CONFIDENT,
    stage: cause.stage,
    owner: cause.owner,
    spans: cause.nodes.slice(0, MAX_REFS).map(({ span }) => refOf(span)),
    sentences: cause.sentences.map(({ text, nodes, figures }) => ({
      text,
      spans: nodes.slice(0, MAX_REFS).map(({ span }) => refOf(span)),
      figures,
    })),
    next: cause.next,
  };
}

function toTwin({ run, candidates, reason, differences }: Twin): TwinJson {
  return {
    traceId: run.traceId,
    startUnixNano: String(run.account.startUnixNano),
    wallNano: String(run.account.wallNano),
    candidates,
    reason,
    differences: differences.map(({ stage, owner, nano, twinNano, deltaNano }) => ({
      stage,
      owner,
      nano: String(nano),
      twinNano: String(twinNano),
      deltaNano: String(deltaNano),
    })),
  };
}
