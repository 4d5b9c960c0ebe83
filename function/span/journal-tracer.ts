import {
  ROOT_CONTEXT,
  trace,
  INVALID_SPAN_CONTEXT,
  type Attributes,
  type AttributeValue,
  type Context,
  type Span,
  type SpanContext,
  type SpanKind,
  type SpanOptions,
  type Tracer,
} from '@opentelemetry/api';
import { contextManager } from './context-manager.ts';
import { randomWord, wordToHex } from './ids.ts';
import { JournalSpan, rawIds, type SpanHome } from './journal-span.ts';
import { NO_PARENT, type Sampler } from './sampler.ts';
import { isValid, ReadSpanContext } from './span-context.ts';
import { StartForm } from './start-form.ts';
import { isSuppressed } from './suppress.ts';

/** A tracer whose spans go to a journal; one that is switched off hands the parent's context on. */
export class JournalTracer implements Tracer {
  readonly #home: SpanHome | undefined;
  readonly #sampler: Sampler;
  readonly #scope: string;

  /** `home` undefined: nothing is recorded. */
  constructor(home: SpanHome | undefined, sampler: Sampler, name: string, version: string) {
    this.#home = home;
    this.#sampler = sampler;
    this.#scope = version === '' ? name : `${name}@${version}`;
  }

  startSpan(name: string, options?: SpanOptions, context: Context = contextManager.active()): Span {
    // The empty context is met often, and has nothing to look for.
    const parent = context === ROOT_CONTEXT || options?.root === true ? undefined : trace.getSpan(context);
    const span = this.#make(parent, context);
    if (span instanceof JournalSpan) this.#begin(span, name, options, !(parent instanceof JournalSpan));
    return span;
  }

  /** What `startLike` begins spans with; `kind` is the API's. */
  form(name: string, kind: SpanKind, same: Attributes, keys: readonly string[]): StartForm {
    return new StartForm(name, kind + 1, this.#scope, same, keys);
  }

  /** Starts a span of a form made by this tracer; `values` are of the form's keys, undefined where there is none. */
  startLike(form: StartForm, values: readonly AttributeValue[], context: Context): Span {
    const parent = trace.getSpan(context);
    const span = this.#make(parent, context);
    if (!(span instanceof JournalSpan)) return span;
    const isLocalRoot = !(parent instanceof JournalSpan);
    if (form.size <= span.limits.attributeCount) span.beginLike(form, values, isLocalRoot);
    else
      span.begin(
        form.name,
        form.kind,
        undefined,
        isLocalRoot,
        form.scope,
        form.attributes(values),
        undefined,
      );
    return span;
  }

  /** A span that has not begun yet, or one that is not recorded. */
  #make(parent: Span | undefined, context: Context): Span {
    const home = this.#home;
    if (context !== ROOT_CONTEXT && isSuppressed(context)) return trace.wrapSpanContext(INVALID_SPAN_CONTEXT);
    if (home === undefined) return trace.wrapSpanContext(parent?.spanContext() ?? INVALID_SPAN_CONTEXT);
    if (parent instanceof JournalSpan) {
      const { t0, t1, t2, t3, s0, s1 } = parent;
      if (!this.#sampler.isSampled(SAMPLED, t0, t1, t2, t3)) return unsampled(parent.spanContext());
      return new JournalSpan(home, t0, t1, t2, t3, s0, s1, parent.knownTraceId, parent.traceState);
    }
    const given = parent?.spanContext();
    if (given === undefined || !isValid(given)) return this.#makeRoot(home);
    const { t0, t1, t2, t3, s0, s1 } = given instanceof ReadSpanContext ? given.words : rawIds(given);
    if (!this.#sampler.isSampled(given.traceFlags, t0, t1, t2, t3)) return unsampled(given);
    return new JournalSpan(home, t0, t1, t2, t3, s0, s1, given.traceId, given.traceState);
  }

  /** The first of a new trace. */
  #makeRoot(home: SpanHome): Span {
    let t0 = randomWord();
    const t1 = randomWord();
    const t2 = randomWord();
    const t3 = randomWord();
    if ((t0 | t1 | t2 | t3) === 0) t0 = 1;
    if (this.#sampler.isSampled(NO_PARENT, t0, t1, t2, t3))
      return new JournalSpan(home, t0, t1, t2, t3, 0, 0, '', undefined);
    const traceId = wordToHex(t0) + wordToHex(t1) + wordToHex(t2) + wordToHex(t3);
    return unsampled({ traceId, spanId: '', traceFlags: 0 });
  }

  #begin(span: JournalSpan, name: string, options: SpanOptions | undefined, isLocalRoot: boolean): void {
    if (options === undefined) {
      span.begin(name, OTLP_INTERNAL, undefined, isLocalRoot, this.#scope, undefined, undefined);
      return;
    }
    const kind = (options.kind ?? 0) + 1;
    span.begin(name, kind, options.startTime, isLocalRoot, this.#scope, options.attributes, options.links);
  }

  startActiveSpan<F extends (span: Span) => unknown>(name: string, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    context: Context,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    ...rest: [F] | [SpanOptions, F] | [SpanOptions, Context, F]
  ): ReturnType<F> {
    const fn = rest.at(-1) as F;
    const options = rest.length > 1 ? (rest[0] as SpanOptions) : undefined;
    const parent =
      (rest.length > 2 ? (rest[1] as Context | undefined) : undefined) ?? contextManager.active();
    const span = this.startSpan(name, options, parent);
    return contextManager.with(trace.setSpan(parent, span), fn as never, undefined, span);
  }
}

const SAMPLED = 1;
/** The kind of a span that does not say one; the API's numbers are one less than OTLP's. */
const OTLP_INTERNAL = 1;

/** A span that is not recorded has an id of its own all the same, as it may be asked for in logs and headers. */
function unsampled(parent: SpanContext): Span {
  const context: SpanContext = {
    traceId: parent.traceId,
    spanId: wordToHex(randomWord() | 1) + wordToHex(randomWord()),
    traceFlags: 0,
  };
  if (parent.traceState) context.traceState = parent.traceState;
  return trace.wrapSpanContext(context);
}
