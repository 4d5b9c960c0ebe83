import { ProtoBuffer } from './proto-buffer.ts';
import { FRAME_HEADER_BYTES, writeFrameHeader, type FrameKind } from './frame.ts';

/** A frame is closed once it holds this much: small enough for any collector's body limit (4 MiB is usual). */
const FRAME_BYTES = 512 * 1024;

/**
 * Spans and logs of one resource on their way into the spool, grouped by scope. `finish` wraps them as
 * ExportTraceServiceRequest and ExportLogsServiceRequest; such requests can be joined end to end, because a repeated
 * field may come in pieces, so the shipper makes one body of many frames without reading them.
 *
 * One batch is used again and again for every instance; its buffers stay warm.
 */
export class OtlpBatch {
  readonly #append: (frame: Uint8Array, kind: FrameKind, items: number) => void;
  readonly #scopes = new Map<string, ProtoBuffer>();
  readonly #logs = new ProtoBuffer(4096);
  readonly #frame = new ProtoBuffer(64 * 1024);
  #resource: Uint8Array = new Uint8Array(0);
  #lastScope = '';
  #lastBuffer: ProtoBuffer;
  #spanCount = 0;
  #spanBytes = 0;
  #logCount = 0;

  /** `append` gets each finished frame, header included; the bytes are valid only during the call. */
  constructor(append: (frame: Uint8Array, kind: FrameKind, items: number) => void) {
    this.#append = append;
    this.#lastBuffer = new ProtoBuffer(4096);
    this.#scopes.set('', this.#lastBuffer);
  }

  /** What follows belongs to this resource (a Resource message). */
  begin(resource: Uint8Array): void {
    if (resource === this.#resource) return;
    this.finish();
    this.#resource = resource;
  }

  /** Where a span of this scope (`name@version`) is written, as field `spans = 2` of ScopeSpans; then call `spanWritten`. */
  spans(scope: string): ProtoBuffer {
    if (scope === this.#lastScope) return this.#lastBuffer;
    let buffer = this.#scopes.get(scope);
    if (buffer === undefined) {
      buffer = new ProtoBuffer(4096);
      this.#scopes.set(scope, buffer);
    }
    this.#lastScope = scope;
    this.#lastBuffer = buffer;
    return buffer;
  }

  spanWritten(bytes: number): void {
    this.#spanCount += 1;
    this.#spanBytes += bytes;
    if (this.#spanBytes >= FRAME_BYTES) this.#finishSpans();
  }

  /** Where a log record is written, as field `log_records = 2` of ScopeLogs; then call `logWritten`. */
  logs(): ProtoBuffer {
    return this.#logs;
  }

  logWritten(): void {
    this.#logCount += 1;
    if (this.#logs.position >= FRAME_BYTES) this.#finishLogs();
  }

  finish(): void {
    if (this.#spanCount > 0) this.#finishSpans();
    if (this.#logCount > 0) this.#finishLogs();
  }

  /**
   * ExportTraceServiceRequest: resource_spans = 1 ResourceSpans
   * ResourceSpans: resource = 1 Resource · scope_spans = 2 ScopeSpans
   * ScopeSpans: scope = 1 InstrumentationScope · spans = 2 Span
   */
  #finishSpans(): void {
    const frame = this.#openFrame();
    const outer = frame.open(0x0a);
    frame.field(0x0a, this.#resource);
    for (const [scope, spans] of this.#scopes) {
      if (spans.position === 0) continue;
      const start = frame.open(0x12);
      writeScope(frame, scope);
      frame.raw(spans.view());
      frame.close(start);
      spans.reset();
    }
    frame.close(outer);
    const count = this.#spanCount;
    this.#spanCount = 0;
    this.#spanBytes = 0;
    this.#forgetScopes();
    this.#closeFrame(frame, 'traces', count);
  }

  /**
   * ExportLogsServiceRequest: resource_logs = 1 ResourceLogs
   * ResourceLogs: resource = 1 Resource · scope_logs = 2 ScopeLogs
   * ScopeLogs: log_records = 2 LogRecord
   */
  #finishLogs(): void {
    const frame = this.#openFrame();
    const outer = frame.open(0x0a);
    frame.field(0x0a, this.#resource);
    const start = frame.open(0x12);
    frame.raw(this.#logs.view());
    frame.close(start);
    frame.close(outer);
    const count = this.#logCount;
    this.#logs.reset();
    this.#logCount = 0;
    this.#closeFrame(frame, 'logs', count);
  }

  #openFrame(): ProtoBuffer {
    this.#frame.reset();
    this.#frame.ensure(FRAME_HEADER_BYTES);
    this.#frame.position = FRAME_HEADER_BYTES;
    return this.#frame;
  }

  #closeFrame(frame: ProtoBuffer, kind: FrameKind, items: number): void {
    const bytes = frame.view();
    writeFrameHeader(bytes, kind, items);
    this.#append(bytes, kind, items);
  }

  /** Scope names come from functions: a stranger's thousand scopes must not stay here for ever. */
  #forgetScopes(): void {
    if (this.#scopes.size <= 64) return;
    this.#scopes.clear();
    this.#lastScope = '';
    this.#lastBuffer = new ProtoBuffer(4096);
    this.#scopes.set('', this.#lastBuffer);
  }
}

/** InstrumentationScope: name = 1 string · version = 2 string */
function writeScope(out: ProtoBuffer, scope: string): void {
  if (scope === '') return;
  const at = scope.lastIndexOf('@');
  const start = out.open(0x0a);
  out.string(0x0a, at > 0 ? scope.slice(0, at) : scope);
  if (at > 0) out.string(0x12, scope.slice(at + 1));
  out.close(start);
}
