/** The envelope of Jaeger's v1 API: every answer but the metrics ones, and every error, comes in it. */
export interface Envelope<T> {
  readonly data: T | null;
  readonly total: number;
  readonly limit: number;
  readonly offset: number;
  readonly errors: readonly EnvelopeError[] | null;
}

export interface EnvelopeError {
  /** HTTP status; left out where one trace of several is missing. */
  readonly code?: number;
  readonly msg: string;
  readonly traceID?: string;
}

export function envelope<T>(
  data: T,
  options: { readonly total?: number; readonly errors?: readonly EnvelopeError[] } = {},
): Envelope<T> {
  const errors = options.errors && options.errors.length > 0 ? options.errors : null;
  return { data, total: options.total ?? 0, limit: 0, offset: 0, errors };
}

export function errorEnvelope(code: number, msg: string): Envelope<never> {
  return { data: null, total: 0, limit: 0, offset: 0, errors: [{ code, msg }] };
}
