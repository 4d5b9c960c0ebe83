/**
 * What a `Worker` of the function loads first (capture-workers.ts): tracing into a journal of its own, as two threads cannot
 * append to one. It needs no code of the function's, and what the function loads finds the OpenTelemetry API served.
 */
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { readTracingEnv } from '../../span/tracing-env.ts';
import { fallBackTo, registerGlobals, startTracing } from '../../span/tracing.ts';
import { captureWorkers } from './capture-workers.ts';
import { logOutput } from './log-output.ts';
import { offerOpenTelemetryApi } from './offer-api.ts';
import { traceOutgoingCalls } from './outgoing-calls.ts';
import { THREAD_DATA, threadJournal, type ThreadCaller, type ThreadData } from './thread-data.ts';
import { watchDeath } from './watch-death.ts';

/** Less than a process': nobody keeps a journal of 16 MiB for a thread that lives for a second. */
const SEGMENT_COUNT = 16;

const { getEnvironmentData, threadId } = process.getBuiltinModule('node:worker_threads');
const given = getEnvironmentData(THREAD_DATA) as unknown as ThreadData | undefined;
if (given !== undefined) traceThread(given);

function traceThread(data: ThreadData): void {
  const program = import.meta.filename;
  // A program that is forked from here must not load this.
  const at = process.execArgv.indexOf(program);
  if (at > 0) process.execArgv.splice(at - 1, 2);
  const { warnings: _, ...wishes } = readTracingEnv(data.otel);
  const tracing = startTracing({
    ...wishes,
    journal: threadJournal(data.journal, threadId),
    resource: {},
    // A mapping outlives its thread, and would hold the memory of a journal that is gone.
    transport: 'write',
    segmentCount: SEGMENT_COUNT,
  });
  if (tracing.failure) console.error(tracing.failure.message);
  tracing.setResource(data.resource);
  registerGlobals(tracing);
  const { caller } = data;
  if (caller !== undefined) fallBackToCaller(caller);
  offerOpenTelemetryApi(program);
  const idNow = () => (caller !== undefined && isOpen(caller) ? caller.invocationId : undefined);
  logOutput(tracing, data.markOutput, { streams: data.streams, invocationId: idNow });
  traceOutgoingCalls(tracing);
  captureWorkers(tracing, data, program);
  watchDeath(tracing, new Set(), () => undefined);
}

/**
 * What the thread does while the invocation that started it is open belongs to it. Afterwards it belongs to nobody we know of:
 * a thread that is kept serves others.
 */
function fallBackToCaller(caller: ThreadCaller): void {
  const context = trace.setSpanContext(ROOT_CONTEXT, { ...caller.span, isRemote: true });
  fallBackTo(() => (isOpen(caller) ? context : ROOT_CONTEXT));
}

function isOpen(caller: ThreadCaller): boolean {
  return Atomics.load(caller.isOpen, 0) === 1;
}
