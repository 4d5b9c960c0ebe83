/**
 * A recording span. It keeps its ids and a few counts; everything else is in the journal as soon as it is said, so that a
 * killed process leaves what it knew.
 *
 * Attributes too: each setAttribute is a record of its own rather than part of END. Measured (bench/span.ts, five
 * attributes set one by one) that costs 0.1 µs a span more than START with all of them, and it is what tells why a span
 * that never ended is stuck. With positional writes such a record waits for the next START, EVENT, LINK or END, of whatever
 * span, as each write costs 0.6 µs: only there may the last attributes of a killed process be missing.
 */
import {
  isSpanContextValid,
  SpanStatusCode,
  type Attributes,
  type AttributeValue,
  type Exception,
  type Link,
  type Span,
  type SpanContext,
  type SpanStatus,
  type TimeInput,
  type TraceState,
} from '@opentelemetry/api';
import { isTimeInput, monotonicMs, toMonotonicMs } from './clock.ts';
import { hexToWord, randomWord, sampledTraceparent, wordToHex } from './ids.ts';
import type { JournalWriter, RawIds } from './journal-writer.ts';
import { CheckedSpanContext, type IdWords } from './span-context.ts';
import type { StartForm } from './start-form.ts';
import type { SpanLimits } from './tracing-env.ts';

/** What all spans of one Tracing share. */
export interface SpanHome {
  readonly writer: JournalWriter;
  readonly limits: SpanLimits;
}

const SAMPLED = 1;
const NO_VALUES: readonly undefined[] = [];
const STATUS_OK: number = SpanStatusCode.OK;
const STATUS_ERROR: number = SpanStatusCode.ERROR;

export class JournalSpan implements Span, RawIds {
  readonly t0: number;
  readonly t1: number;
  readonly t2: number;
  readonly t3: number;
  readonly s0: number;
  readonly s1: number;
  readonly p0: number;
  readonly p1: number;
  readonly traceState: TraceState | undefined;
  readonly #home: SpanHome;
  #recording = true;
  #startMs = 0;
  #statusCode = 0;
  /** Attributes written, the same key twice counted twice, until that reaches the limit and the keys are looked at. */
  #attributes = 0;
  #droppedAttributes = 0;
  #atStart: Attributes | undefined;
  #form: StartForm | undefined;
  #valuesAtStart: readonly AttributeValue[] = NO_VALUES;
  #keys: KeyChain | undefined;
  /** What most spans never have. */
  #more: More | undefined;
  #context: SpanContext | undefined;
  #traceId: string;

  /** `traceId` is the hex of the words if it is known already, else ''. */
  constructor(
    home: SpanHome,
    t0: number,
    t1: number,
    t2: number,
    t3: number,
    p0: number,
    p1: number,
    traceId: string,
    traceState: TraceState | undefined,
  ) {
    this.#home = home;
    this.t0 = t0;
    this.t1 = t1;
    this.t2 = t2;
    this.t3 = t3;
    let s0 = randomWord();
    const s1 = randomWord();
    if ((s0 | s1) === 0) s0 = 1;
    this.s0 = s0;
    this.s1 = s1;
    this.p0 = p0;
    this.p1 = p1;
    this.#traceId = traceId;
    this.traceState = traceState;
  }

  get limits(): SpanLimits {
    return this.#home.limits;
  }

  /** Monotonic, see clock.ts. */
  get startMs(): number {
    return this.#startMs;
  }

  /** Writes START. Called once, by the tracer. */
  begin(
    name: string,
    kind: number,
    startTime: TimeInput | undefined,
    isLocalRoot: boolean,
    scope: string,
    attributes: Attributes | undefined,
    links: readonly Link[] | undefined,
  ): void {
    const { writer, limits } = this.#home;
    const nowMs = monotonicMs();
    if (isLocalRoot) writer.checkClock(nowMs);
    this.#startMs = startTime === undefined ? nowMs : toMonotonicMs(startTime);
    this.#recording = writer.start(
      this,
      name,
      this.#startMs,
      kind,
      SAMPLED,
      this.traceState === undefined ? '' : this.traceState.serialize(),
      scope,
      attributes,
      limits.attributeCount,
    );
    if (attributes !== undefined) {
      this.#droppedAttributes = writer.skipped;
      this.#attributes = writer.written;
      this.#atStart = attributes;
    }
    if (links !== undefined) this.addLinks(links as Link[]);
  }

  /** Writes START of a span with a form. */
  beginLike(form: StartForm, values: readonly AttributeValue[], isLocalRoot: boolean): void {
    const { writer } = this.#home;
    const nowMs = monotonicMs();
    if (isLocalRoot) writer.checkClock(nowMs);
    this.#startMs = nowMs;
    this.#recording = writer.startLike(
      form,
      values,
      this,
      nowMs,
      SAMPLED,
      this.traceState === undefined ? '' : this.traceState.serialize(),
    );
    this.#droppedAttributes = writer.skipped;
    this.#attributes = writer.written;
    this.#form = form;
    this.#valuesAtStart = values;
  }

  /** The trace id as hex if somebody has asked for it, else ''. */
  get knownTraceId(): string {
    return this.#traceId;
  }

  /** As headers say it (W3C Trace Context), and answers as `traceresponse`. */
  get traceparent(): string {
    return sampledTraceparent(this);
  }

  spanContext(): SpanContext {
    if (this.#context) return this.#context;
    if (this.#traceId === '')
      this.#traceId = wordToHex(this.t0) + wordToHex(this.t1) + wordToHex(this.t2) + wordToHex(this.t3);
    const spanId = wordToHex(this.s0) + wordToHex(this.s1);
    this.#context = new CheckedSpanContext(
      { traceId: this.#traceId, spanId, traceFlags: SAMPLED },
      this.traceState,
      false,
    );
    return this.#context;
  }

  isRecording(): boolean {
    return this.#recording;
  }

  setAttribute(key: string, value: AttributeValue): this {
    if (!this.#recording || value === null || value === undefined) return this;
    if (key === '' || !this.#admits(key)) this.#droppedAttributes += 1;
    else {
      const isKept = this.#home.writer.attribute(this, key, value);
      this.#droppedAttributes += isKept ? this.#home.writer.skipped : 1;
    }
    return this;
  }

  setAttributes(attributes: Attributes): this {
    if (!this.#recording || !attributes) return this;
    const { writer, limits } = this.#home;
    let count = 0;
    for (const _ in attributes) count += 1;
    if (this.#attributes + count <= limits.attributeCount) {
      this.#count(attributes);
      this.#droppedAttributes += writer.attributes(this, attributes, count) ? writer.skipped : count;
    } else {
      for (const key of Object.keys(attributes)) this.setAttribute(key, attributes[key]);
    }
    return this;
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    if (!this.#recording) return this;
    const { writer, limits } = this.#home;
    const more = (this.#more ??= new More());
    const isTime = isTimeInput(attributesOrTime);
    const attributes = isTime ? undefined : (attributesOrTime ?? undefined);
    const timeMs = toMonotonicMs(isTime ? attributesOrTime : time);
    if (
      more.events >= limits.eventCount ||
      !writer.event(this, name, timeMs, attributes, limits.attributePerEventCount, 0)
    ) {
      more.droppedEvents += 1;
    } else more.events += 1;
    return this;
  }

  addLink(link: Link): this {
    if (!this.#recording) return this;
    const { writer, limits } = this.#home;
    const more = (this.#more ??= new More());
    const target = link?.context;
    if (
      !target ||
      more.links >= limits.linkCount ||
      !isSpanContextValid(target) ||
      !writer.link(
        this,
        rawIds(target),
        target.traceFlags | LINK_FLAG_KNOWS_REMOTE | (target.isRemote ? LINK_FLAG_IS_REMOTE : 0),
        target.traceState?.serialize() ?? '',
        link.attributes,
        limits.attributePerLinkCount,
      )
    ) {
      more.droppedLinks += 1;
    } else more.links += 1;
    return this;
  }

  addLinks(links: Link[]): this {
    for (const link of links) this.addLink(link);
    return this;
  }

  /** Ok is final, and unset says nothing: https://opentelemetry.io/docs/specs/otel/trace/api/#set-status */
  setStatus(status: SpanStatus): this {
    if (!this.#recording || this.#statusCode === STATUS_OK) return this;
    const code: number = status.code;
    if (code !== STATUS_OK && code !== STATUS_ERROR) return this;
    this.#statusCode = code;
    const message = code === STATUS_ERROR ? (status.message ?? '') : '';
    if (message !== '' || this.#more) (this.#more ??= new More()).statusMessage = message;
    return this;
  }

  updateName(name: string): this {
    if (this.#recording) this.#home.writer.name(this, name);
    return this;
  }

  /** An event named `exception`, with the attributes OpenTelemetry's SDK gives it. */
  recordException(exception: Exception, time?: TimeInput): void {
    if (!this.#recording) return;
    this.addEvent('exception', exceptionAttributes(exception), time);
  }

  end(endTime?: TimeInput): void {
    if (this.#recording)
      this.#end(endTime === undefined ? monotonicMs() : toMonotonicMs(endTime), '', 0, undefined);
  }

  /** Ends at the monotonic `endMs` and sets a last attribute, in one record instead of two. */
  endWith(endMs: number, key: string, value: number): void {
    if (!this.#recording) return;
    if (this.#attributes < this.#home.limits.attributeCount || this.#admits(key))
      this.#end(endMs, key, value, undefined);
    else {
      this.#droppedAttributes += 1;
      this.#end(endMs, '', 0, undefined);
    }
  }

  /** Ends now and sets its last attributes, in one record instead of two. */
  endWithAll(attributes: Attributes): void {
    if (!this.#recording) return;
    let count = 0;
    for (const _ in attributes) count += 1;
    if (this.#attributes + count <= this.#home.limits.attributeCount) {
      this.#end(monotonicMs(), '', 0, attributes);
    } else {
      this.setAttributes(attributes);
      this.end();
    }
  }

  #end(endMs: number, key: string, value: number, attributes: Attributes | undefined): void {
    this.#recording = false;
    const more = this.#more ?? NOTHING_MORE;
    this.#home.writer.end(
      this,
      endMs < this.#startMs ? this.#startMs : endMs,
      this.#statusCode,
      more.statusMessage,
      this.#droppedAttributes,
      more.droppedEvents,
      more.droppedLinks,
      key,
      value,
      attributes,
    );
  }

  /**
   * Whether one more attribute of this key keeps within the limit. Only once the count could pass it is it worth knowing
   * which keys were there: setting one again is not another attribute.
   */
  #admits(key: string): boolean {
    const limit = this.#home.limits.attributeCount;
    if (this.#attributes < limit) {
      this.#addKey(key);
      return true;
    }
    const keys = new Set(Object.keys(this.#atStart ?? this.#form?.attributes(this.#valuesAtStart) ?? {}));
    for (let link = this.#keys; link !== undefined; link = link.next) keys.add(link.key);
    this.#atStart = undefined;
    this.#form = undefined;
    this.#keys = undefined;
    this.#attributes = 0;
    for (const known of keys) this.#addKey(known);
    if (keys.has(key)) return true;
    if (keys.size >= limit) return false;
    this.#addKey(key);
    return true;
  }

  #addKey(key: string): void {
    this.#attributes += 1;
    this.#keys = { key, next: this.#keys };
  }

  #count(attributes: Attributes): void {
    const limit = this.#home.limits.attributeCount;
    for (const key in attributes) {
      if (this.#attributes === limit) return;
      this.#addKey(key);
    }
  }
}

/** Its last attributes, and its end: one record for a span of ours, two calls for any other. */
export function endWith(span: Span, attributes: Attributes): void {
  if (span instanceof JournalSpan) span.endWithAll(attributes);
  else span.setAttributes(attributes).end();
}

/** Keys that were set: a list that never has to grow, as most spans end before anybody asks for it. */
interface KeyChain {
  readonly key: string;
  readonly next: KeyChain | undefined;
}

/** Kept apart, so that a span without them is small: it is made and forgotten for every call. */
class More {
  statusMessage = '';
  events = 0;
  links = 0;
  droppedEvents = 0;
  droppedLinks = 0;
}
const NOTHING_MORE = new More();

/** OTLP SpanFlags: whether the linked context is remote is known, and is so. */
const LINK_FLAG_KNOWS_REMOTE = 0x100;
const LINK_FLAG_IS_REMOTE = 0x200;

/** The words of a valid context, without the way over hex for a span of ours. */
export function rawIds(context: SpanContext): IdWords {
  return {
    t0: hexToWord(context.traceId, 0),
    t1: hexToWord(context.traceId, 8),
    t2: hexToWord(context.traceId, 16),
    t3: hexToWord(context.traceId, 24),
    s0: hexToWord(context.spanId, 0),
    s1: hexToWord(context.spanId, 8),
  };
}

/** As opentelemetry-js Span.recordException: a code is a better type than a name. */
export function exceptionAttributes(exception: unknown): Attributes {
  const attributes: Attributes = {};
  if (typeof exception !== 'object' || exception === null) {
    attributes['exception.message'] = String(exception);
    return attributes;
  }
  try {
    const { code, name, message, stack } = exception as {
      code?: unknown;
      name?: unknown;
      message?: unknown;
      stack?: unknown;
    };
    if (typeof code === 'string' || typeof code === 'number') attributes['exception.type'] = String(code);
    else if (typeof name === 'string') attributes['exception.type'] = name;
    if (typeof message === 'string') attributes['exception.message'] = message;
    if (typeof stack === 'string') attributes['exception.stacktrace'] = stack;
  } catch {
    // an error object whose getters throw: the event alone has to do
  }
  return attributes;
}
