import type { Failure } from '../../server/failure.ts';
import { ByteSink } from '../store/native-columns.ts';
import type { Decoded } from './otlp-traces.ts';

export type Encoding = 'protobuf' | 'json';

export const CONTENT_TYPE: Readonly<Record<Encoding, string>> = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
};

/**
 * ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1 }
 * ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2 }, and for logs the same with
 * rejected_log_records. The field is absent when everything was accepted.
 */
export function encodeAnswer(
  encoding: Encoding,
  rejectedField: 'rejectedSpans' | 'rejectedLogRecords',
  decoded: Decoded,
): Buffer {
  const partial = decoded.rejected > 0;
  if (encoding === 'json') {
    const answer = partial
      ? { partialSuccess: { [rejectedField]: String(decoded.rejected), errorMessage: decoded.reason } }
      : {};
    return Buffer.from(JSON.stringify(answer));
  }
  if (!partial) return Buffer.alloc(0);
  const inner = new ByteSink(64);
  inner.varint((1 << 3) | 0);
  inner.varint(decoded.rejected);
  inner.varint((2 << 3) | 2);
  inner.text(decoded.reason);
  const outer = new ByteSink(64);
  outer.varint((1 << 3) | 2);
  outer.varint(inner.length);
  outer.copy(inner.buffer, 0, inner.length);
  return Buffer.from(outer.bytes());
}

/** google.rpc.Status { int32 code = 1; string message = 2 }, as OTLP/HTTP wants for every error. */
export function encodeStatus(encoding: Encoding, failure: Failure): Buffer {
  const code = GRPC_CODE[failure.status] ?? GRPC_INTERNAL;
  if (encoding === 'json') return Buffer.from(JSON.stringify({ code, message: failure.message }));
  const out = new ByteSink(64);
  out.varint((1 << 3) | 0);
  out.varint(code);
  out.varint((2 << 3) | 2);
  out.text(failure.message);
  return Buffer.from(out.bytes());
}

export const GRPC_INTERNAL = 13;
/** The gRPC code that says what an HTTP status says (google/rpc/code.proto). */
export const GRPC_CODE: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  404: 5,
  405: 12,
  413: 8,
  415: 3,
  429: 8,
  503: 14,
};
