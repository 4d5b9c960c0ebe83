import {
  createContextKey,
  type Context,
  context as contextApi,
  type Span,
  SpanStatusCode,
} from '@opentelemetry/api';
import { ERROR_TYPE, HTTP_RESPONSE_STATUS_CODE, SPOOR_REASON } from '../../span/attributes.ts';
import { exceptionOf, typeOf } from './exception-of.ts';
import { discardRest } from './discard-rest.ts';
import { Fault } from './fault.ts';
import type { FunctionResponse, ResponseOwner } from './function-response.ts';
import type { LoadWatch, Watched } from './watch-load.ts';
import { monotonicMs } from '../../span/clock.ts';
import { JournalSpan } from '../../span/journal-span.ts';
import { SPAN } from '../../span/span-context.ts';
import { NOWHERE, type Placed } from '../../span/under-way.ts';

const INVOCATION = createContextKey('spoor invocation');

/** The invocation whose code is running, if any. */
export function activeInvocation(): Invocation | undefined {
  return contextApi.active().getValue(INVOCATION) as Invocation | undefined;
}

/**
 * One request to the function, from its first byte until the answer's last: the end of its span.
 *
 *     answered   the response is about to be handed over whole: the span ends just before, so that it is in the journal
 *                before the caller can go on
 *     cut        the client went away: the span waits for the function, which is still at work
 */
export class Invocation implements Placed, ResponseOwner, Watched {
  place = NOWHERE;
  readonly id: string;
  readonly requestId: string;
  readonly span: Span;
  startMs = 0;
  cpuMs = 0;
  cpuWaitMs: number | undefined;
  blockedMs = 0;
  readonly #response: FunctionResponse;
  readonly #ended: (invocation: Invocation) => void;
  readonly #watch: LoadWatch | undefined;
  #afterwards: (() => void)[] | undefined;
  #running = true;
  #closed = false;
  #failed = false;
  #over = false;

  constructor(
    ids: { readonly id: string; readonly requestId: string },
    span: Span,
    response: FunctionResponse,
    ended: (invocation: Invocation) => void,
    watch: LoadWatch | undefined,
  ) {
    this.id = ids.id;
    this.requestId = ids.requestId;
    this.span = span;
    this.#response = response;
    this.#ended = ended;
    this.#watch = watch;
    response.on('close', () => this.#close());
    response.owner = this;
  }

  /** `context` with this invocation and its span. */
  in(context: Context): Context {
    return new InvocationContext(context, this);
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** `step` is called once its span has ended. */
  whenOver(step: () => void): void {
    this.#afterwards ??= [];
    this.#afterwards.push(step);
  }

  answering(): void {
    const response = this.#response;
    if ((response.functionDone || !this.#running) && !response.destroyed) this.#end(true);
  }

  /** The function gave back control for good. */
  settled(): void {
    this.#running = false;
    if (this.#closed || this.#response.writableEnded) this.#end(!this.#closed);
  }

  failed(error: unknown): void {
    this.#running = false;
    if (error instanceof Fault && error.reason === 'client_disconnect') {
      this.#end();
      return;
    }
    this.record(error);
    answerFailure(this.#response, error, this);
    if (this.#closed) this.#end();
  }

  /** Its connection is not used again. */
  isLast(): void {
    if (!this.#response.headersSent) this.#response.setHeader('Connection', 'close');
  }

  /** Notes an error on the span; what the client did wrong is no exception of the function. */
  record(error: unknown): void {
    if (error instanceof Fault) this.span.setAttribute(SPOOR_REASON, error.reason);
    if (error instanceof Fault && error.status < 500) return;
    this.#failed = true;
    this.span.recordException(exceptionOf(error));
    this.span.setAttribute(ERROR_TYPE, typeOf(error));
    this.span.setStatus({
      code: SpanStatusCode.ERROR,
      message: error instanceof Error ? error.message : String(error),
    });
  }

  #close(): void {
    this.#closed = true;
    if (this.#response.writableFinished || !this.#running) this.#end();
  }

  #end(answered = this.#response.headersSent && (this.#response.writableFinished || this.#failed)): void {
    if (this.#over) return;
    this.#over = true;
    if (answered) this.#endAnswered(this.#response.statusCode);
    else {
      // Nobody heard an answer.
      this.span.setAttribute(SPOOR_REASON, 'client_disconnect');
      this.span.addEvent('client disconnected');
      this.#tellLoad(monotonicMs());
      this.span.end();
    }
    this.#ended(this);
    if (this.#afterwards !== undefined) for (const step of this.#afterwards) step();
  }

  #endAnswered(status: number): void {
    if (status >= 500 && !this.#failed) {
      this.span.setAttribute(ERROR_TYPE, String(status));
      this.span.setStatus({ code: SpanStatusCode.ERROR });
    }
    if (!(this.span instanceof JournalSpan)) return;
    const nowMs = monotonicMs();
    this.#tellLoad(nowMs);
    this.span.endWith(nowMs, HTTP_RESPONSE_STATUS_CODE, status);
  }

  #tellLoad(nowMs: number): void {
    this.#watch?.end(this, this.span, nowMs);
  }
}

/**
 * The client learns what was wrong with its request, or with the shape of the function's answer; what the function threw
 * stays in the trace, which the answer names.
 */
function answerFailure(response: FunctionResponse, error: unknown, invocation: Invocation): void {
  // It answered by itself, and failed afterwards.
  if (response.writableEnded || response.destroyed) return;
  if (response.headersSent) {
    // Half an answer must not look like a whole one.
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  const fault = error instanceof Fault ? error : undefined;
  if (fault !== undefined && fault.status < 500) discardRest(response.req);
  response.status(fault?.status ?? 500).json({
    component: 'function',
    reason: fault?.reason ?? 'function_error',
    message: fault?.message ?? 'Internal server error',
    requestId: invocation.requestId,
    traceId: invocation.span.spanContext().traceId,
  });
}

/** What `setValue` twice would give, without copying a map for each: this is made for every request. */
class InvocationContext implements Context {
  readonly #parent: Context;
  readonly #invocation: Invocation;

  constructor(parent: Context, invocation: Invocation) {
    this.#parent = parent;
    this.#invocation = invocation;
  }

  getValue(key: symbol): unknown {
    if (key === SPAN) return this.#invocation.span;
    return key === INVOCATION ? this.#invocation : this.#parent.getValue(key);
  }

  setValue(key: symbol, value: unknown): Context {
    return this.#copy().setValue(key, value);
  }

  deleteValue(key: symbol): Context {
    return this.#copy().deleteValue(key);
  }

  #copy(): Context {
    return this.#parent.setValue(SPAN, this.#invocation.span).setValue(INVOCATION, this.#invocation);
  }
}
