import { type Context, type Span } from '@opentelemetry/api';
import type { FunctionRequest } from './function-request.ts';
import type { FunctionResponse } from './function-response.ts';
import type { Publish, PublishOptions, Published } from './publish.ts';

/** What the function is given: Fission's request and response, and the talk's span and headers. */
export class FunctionContext {
  readonly request: FunctionRequest;
  readonly response: FunctionResponse;
  /** The function's span. */
  readonly span: Span;
  readonly #active: Context;
  readonly #tools: ContextTools;

  constructor(
    request: FunctionRequest,
    response: FunctionResponse,
    span: Span,
    active: Context,
    tools: ContextTools,
  ) {
    this.request = request;
    this.response = response;
    this.span = span;
    this.#active = active;
    this.#tools = tools;
  }

  /** Headers that carry the trace on (`traceparent` and what else OTEL_PROPAGATORS names), for calls made by other means. */
  get traceHeaders(): Record<string, string> {
    const headers: Record<string, string> = {};
    this.#tools.inject(this.#active, headers);
    return headers;
  }

  /** Appends one record to a topic; resolves once it is durable there. A getter, so that it may be taken out of the context. */
  get publish(): (topic: string, value: unknown, options?: PublishOptions) => Promise<Published> {
    return (topic, value, options) => this.#tools.publish(this.#active, topic, value, options);
  }
}

export interface ContextTools {
  readonly inject: (context: Context, headers: Record<string, string>) => void;
  readonly publish: Publish;
}
