import {
  SpanStatusCode,
  type Attributes,
  type Context,
  type Span,
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api';
import { ERROR_TYPE, SPOOR_REASON } from '../../function/span/attributes.ts';
import type { Failure } from '../../server/failure.ts';

export interface Phase {
  readonly context: Context;
  /** As nowMs(). */
  readonly startMs: number;
  /** Now, if not given. */
  readonly endMs?: number;
  readonly attributes: Attributes;
  readonly link?: SpanContext | undefined;
  readonly failure?: Failure;
}

/** A span for something of which one knows only afterwards that it took time. */
export function recordSpan(tracer: Tracer, name: string, phase: Phase): void {
  const { startMs: startTime, attributes, link } = phase;
  const links = link ? [{ context: link }] : [];
  const span = tracer.startSpan(name, { startTime, attributes, links }, phase.context);
  if (phase.failure) failSpan(span, phase.failure);
  span.end(phase.endMs ?? nowMs());
}

export function failSpan(span: Span, failure: Failure): void {
  span.setAttribute(ERROR_TYPE, failure.reason);
  span.setAttribute(SPOOR_REASON, failure.reason);
  span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
}

/** Milliseconds since the Unix epoch, with the fraction that Date.now() lacks. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
