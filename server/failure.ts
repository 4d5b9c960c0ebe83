/**
 * A failure names who failed and why, in one stable word, and keeps its cause. All reasons stand in one table with the
 * HTTP status that tells a client of them. Modelled on Fission's RFC-0015 (invocation correlation and failure attribution);
 * the router's reasons are Fission's own words (pkg/error).
 */
export class Failure extends Error {
  readonly component: Component;
  readonly reason: Reason;

  /** `message` finishes the sentence "cannot …" and carries the value that was wrong; advice goes in too. */
  constructor(component: Component, reason: Reason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Failure';
    this.component = component;
    this.reason = reason;
  }

  get status(): number {
    return REASONS[this.reason];
  }
}

export type Component =
  | 'router'
  | 'executor'
  | 'fetcher'
  | 'function'
  | 'timeout'
  | 'trigger'
  | 'queue'
  | 'spec'
  | 'agent'
  | 'collector'
  | 'store'
  | 'query'
  | 'cli';

export type Reason = keyof typeof REASONS;

export const REASONS = {
  // what the caller sent
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  conflict: 409,
  body_too_large: 413,
  unsupported_media_type: 415,
  // Fission's, on the road of an invocation
  function_timeout: 504,
  stream_idle: 504,
  stream_max_duration: 504,
  client_disconnect: 499,
  specialization_failed: 500,
  capacity_exceeded: 429,
  executor_unavailable: 503,
  connection_refused: 502,
  dial_error: 502,
  function_error: 502,
  instance_died: 502,
  // what we depend on
  overloaded: 503,
  unavailable: 503,
  not_supported: 501,
  internal: 500,
} as const;

/** Whatever was thrown, as a Failure: the one place that turns the unknown into an answer. */
export function toFailure(error: unknown, component: Component): Failure {
  if (error instanceof Failure) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Failure(component, 'internal', message, { cause: error });
}
