/**
 * Tracing of one part of a process: a tracer for @opentelemetry/api whose spans go to a journal.
 *
 *     using tracing = startTracing({ journal: '/dev/shm/spoor/abc.journal', resource: { 'service.name': 'greeter' } });
 *     registerGlobals(tracing);      // so that trace.getTracer() of anybody's code finds it
 *     tracing.tracer('env').startActiveSpan('greet', (span) => { …; span.end(); });
 *
 * There is nothing to flush: what has been said is in the journal. Disposing closes the file; spans still open stay open
 * in it.
 */
import {
  context as contextApi,
  propagation,
  ROOT_CONTEXT,
  trace,
  type Attributes,
  type Context,
  type TextMapPropagator,
  type TracerProvider,
} from '@opentelemetry/api';
import { monotonicMs, toMonotonicMs } from './clock.ts';
import { contextManager } from './context-manager.ts';
import { warmIds } from './ids.ts';
import { JournalFile } from './journal-file.ts';
import {
  DEFAULT_SEGMENT_BYTES,
  DEFAULT_SEGMENT_COUNT,
  LOG_SOURCE,
  type LogSource,
} from './journal-format.ts';
import { JournalSpan, rawIds, type SpanHome } from './journal-span.ts';
import { JournalTracer } from './journal-tracer.ts';
import { JournalWriter, type AttributeSource } from './journal-writer.ts';
import { createPropagator, type PropagatorName } from './propagation.ts';
import { createSampler, type Sampler } from './sampler.ts';
import { DEFAULT_LIMITS, DEFAULT_PROPAGATORS, type SpanLimits } from './tracing-env.ts';

export { contextManager, fallBackTo } from './context-manager.ts';
export { readTracingEnv } from './tracing-env.ts';

export interface TracingOptions {
  /** Path of the journal file to create. Undefined: nothing is recorded, contexts are still handed on. */
  readonly journal: string | undefined;
  /** `service.name` and what else is true of every span. */
  readonly resource: Readonly<Record<string, string | number | boolean>>;
  /**
   * `map`: shared memory (0.3 µs a span), through koffi. `write`: a write call for each start and end (1.4 µs), nothing
   * native; can be upgraded later. `auto` (default): map if koffi loads (1 to 2 ms), else write.
   */
  readonly transport?: 'auto' | 'map' | 'write';
  /** `later`: the journal is created when there is something to write, or `open` is called. Default `now`. */
  readonly opens?: 'now' | 'later';
  /** Default: tracecontext and baggage. `readTracingEnv(process.env)` gives these three. */
  readonly propagators?: readonly PropagatorName[];
  /** Default: parentbased_always_on. */
  readonly sampler?: Sampler;
  readonly limits?: SpanLimits;
  /** Bytes of a segment, a power of two, 64 KiB to 4 MiB. Default 256 KiB. */
  readonly segmentBytes?: number;
  /** Default 64, at most 256. */
  readonly segmentCount?: number;
}

export interface LogRecord {
  /** OTLP severity, 1..24; 0 unknown. */
  readonly severityNumber: number;
  readonly source: LogSource;
  readonly body: unknown;
  /** Whose span it belongs to; default the active context. */
  readonly context?: Context;
  readonly attributes?: AttributeSource;
  /** Unix time in ms; default now. */
  readonly timeMs?: number;
}

export interface Tracing extends Disposable {
  readonly tracerProvider: TracerProvider;
  tracer(name?: string, version?: string): JournalTracer;
  readonly propagator: TextMapPropagator;
  /** Of what is recorded now. */
  readonly resource: Attributes;
  /** Replaces the resource for what follows, for instance when an instance specializes. */
  setResource(attributes: Attributes): void;
  log(record: LogRecord): void;
  /** What the process itself knows of its end, as its last word. */
  goodbye(attributes: Attributes): void;
  /** Creates the journal, if that has not been done yet. */
  open(): void;
  /** Moves from positional writes to shared memory; loads koffi. False where that is not to be had. */
  upgradeTransport(): boolean;
  /** How spans leave now; `none` when nothing is recorded. */
  readonly transport: 'map' | 'write' | 'none';
  /** Why the journal could not be opened as asked for, once that was tried. Tracing goes on with less, as it must not stop a function. */
  readonly failure: Error | undefined;
  /** Spans and log records that found no room so far. */
  readonly dropped: { readonly spans: number; readonly logs: number };
}

export function startTracing(options: TracingOptions): Tracing {
  return new JournalTracing(options);
}

/**
 * Makes it what the OpenTelemetry API's globals lead to: context manager, propagator and tracer provider. What is
 * registered already stays, and the API reports the attempt.
 */
export function registerGlobals(tracing: Tracing): void {
  contextApi.setGlobalContextManager(contextManager);
  propagation.setGlobalPropagator(tracing.propagator);
  trace.setGlobalTracerProvider(tracing.tracerProvider);
}

class JournalTracing implements Tracing {
  readonly propagator: TextMapPropagator;
  readonly tracerProvider: TracerProvider;
  readonly #options: TracingOptions;
  readonly #sampler: Sampler;
  readonly #tracers = new Map<string, JournalTracer>();
  #resource: Attributes;
  #isOpened = false;
  #opened: { readonly home: SpanHome; readonly file: JournalFile } | undefined;
  #failure: Error | undefined;

  constructor(options: TracingOptions) {
    this.#options = options;
    this.propagator = createPropagator(options.propagators ?? DEFAULT_PROPAGATORS);
    this.#sampler = options.sampler ?? createSampler('parentbased_always_on');
    this.#resource = options.resource;
    this.tracerProvider = { getTracer: (name, version) => this.tracer(name, version) };
    if (options.opens !== 'later') this.open();
  }

  open(): void {
    const { journal, transport, segmentBytes, segmentCount, limits = DEFAULT_LIMITS } = this.#options;
    if (this.#isOpened) return;
    this.#isOpened = true;
    if (journal === undefined) return;
    let file: JournalFile;
    try {
      file = new JournalFile(
        journal,
        segmentBytes ?? DEFAULT_SEGMENT_BYTES,
        segmentCount ?? DEFAULT_SEGMENT_COUNT,
      );
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#failure = new Error(`cannot trace into journal [${journal}]: ${why}`, { cause: error });
      return;
    }
    if (transport !== 'write' && !file.map() && transport === 'map')
      this.#failure = new Error(
        'cannot map the journal into memory: koffi does not load here; positional writes are used',
      );
    const writer = new JournalWriter(file, limits.attributeValueLength);
    writer.setResource(this.#resource);
    this.#opened = { home: { writer, limits }, file };
  }

  get #home(): SpanHome | undefined {
    this.open();
    return this.#opened?.home;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  get transport() {
    if (!this.#home) return 'none';
    return this.#opened?.file.isMapped ? 'map' : 'write';
  }

  get dropped() {
    return { spans: this.#home?.writer.droppedSpans ?? 0, logs: this.#home?.writer.droppedLogs ?? 0 };
  }

  tracer(name = '', version = ''): JournalTracer {
    const key = `${name}@${version}`;
    let tracer = this.#tracers.get(key);
    if (!tracer) {
      tracer = new JournalTracer(this.#home, this.#sampler, name, version);
      this.#tracers.set(key, tracer);
    }
    return tracer;
  }

  get resource(): Attributes {
    return this.#resource;
  }

  setResource(attributes: Attributes): void {
    this.#resource = { ...attributes };
    if (this.#isOpened) this.#opened?.home.writer.setResource(this.#resource);
    else this.open();
  }

  log(record: LogRecord): void {
    const home = this.#home;
    if (!home) return;
    const span = trace.getSpan(record.context ?? contextManager.active() ?? ROOT_CONTEXT);
    home.writer.log(
      span === undefined ? undefined : span instanceof JournalSpan ? span : rawIds(span.spanContext()),
      record.timeMs === undefined ? monotonicMs() : toMonotonicMs(record.timeMs),
      record.severityNumber,
      LOG_SOURCE[record.source],
      record.body,
      record.attributes,
    );
  }

  goodbye(attributes: Attributes): void {
    this.#home?.writer.goodbye(monotonicMs(), attributes);
  }

  upgradeTransport(): boolean {
    warmIds();
    return this.#home?.writer.upgrade() ?? false;
  }

  [Symbol.dispose](): void {
    this.#isOpened = true;
    this.#opened?.home.writer.close();
  }
}
