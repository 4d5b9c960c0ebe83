/** What an answer is told to, in this order: onHead, onData… or onText, onEnd. */
export interface AnswerSink {
  /** `headers` flat, names in lower case. `isAlone`: nothing of the body has come with it. */
  onHead(status: number, statusMessage: string, headers: string[], isAlone: boolean): void;
  /** `isLast`: nothing comes after it, and onEnd is next. Its bytes are others' once this has returned. */
  onData(chunk: Buffer, isLast: boolean): void;
  /** All of the body, in latin1. */
  onText(body: string): void;
  onEnd(trailers: readonly string[]): void;
}

/** Of an answer's head, and of its trailers. */
const HEAD_LIMIT_BYTES = 64 * 1024;
const CHUNK_LINE_LIMIT_BYTES = 4 * 1024;
/** An environment keeps an idle connection at least this long, unless it says a shorter time itself. */
const KEEP_ALIVE_MS = 30_000;
/** Our clock starts later than theirs. */
const KEEP_ALIVE_MARGIN_MS = 1_000;

/** An answer that comes whole and is no longer is taken apart as one string, which costs a third of what its buffers would. */
const TEXT_BYTES = 8 * 1024;

const HEAD_END = Buffer.from('\r\n\r\n');
const CRLF = Buffer.from('\r\n');
const EMPTY: Buffer = Buffer.alloc(0);

type State = 'head' | 'sized' | 'chunk size' | 'chunk' | 'chunk end' | 'trailers' | 'until close' | 'done';

/**
 * Reads HTTP/1.1 answers (RFC 9112), one after the other, from whatever pieces the bytes come in; what it keeps of a piece it
 * copies. The body's length is, in this order: none (HEAD, 1xx, 204, 304), the last chunk, Content-Length, the end of the
 * connection (section 6.3).
 */
export class AnswerReader {
  /** What was wrong, once `read` has returned undefined. */
  fault = '';
  /** How long the connection may be kept after this answer; 0: not at all. */
  keepAliveMs = 0;
  /** A request was sent on this connection, so an answer may be on its way. */
  hasBegun = false;
  #state: State = 'done';
  #sink: AnswerSink | undefined;
  #isHead = false;
  /** Bytes of the body, or of the chunk, still to come. */
  #left = 0;
  /** The beginning of something that was not complete. */
  #kept: Buffer = EMPTY;

  begin(isHead: boolean, sink: AnswerSink): void {
    this.#state = 'head';
    this.#sink = sink;
    this.#isHead = isHead;
    this.#kept = EMPTY;
    this.hasBegun = true;
  }

  get endsWithConnection(): boolean {
    return this.#state === 'until close';
  }

  /** True when the answer is complete, undefined when it is none. */
  read(chunk: Buffer): boolean | undefined {
    let bytes = this.#kept.length > 0 ? Buffer.concat([this.#kept, chunk]) : chunk;
    this.#kept = EMPTY;
    for (;;) {
      switch (this.#state) {
        case 'head': {
          if (bytes.length <= TEXT_BYTES) {
            const text = bytes.toString('latin1');
            const end = text.indexOf('\r\n\r\n');
            if (end < 0) return this.#keep(bytes, HEAD_LIMIT_BYTES, '');
            const bodyAt = end + 4;
            if (!this.#readHead(text.slice(0, end), bodyAt === text.length)) return undefined;
            if (this.#isWhole(text.length - bodyAt)) {
              this.#state = 'done';
              this.#sink?.onText(text.slice(bodyAt));
              return this.#end(EMPTY, []);
            }
            bytes = bytes.subarray(bodyAt);
            break;
          }
          const end = bytes.indexOf(HEAD_END);
          if (end < 0) return this.#keep(bytes, HEAD_LIMIT_BYTES, 'its head is too long');
          if (end > HEAD_LIMIT_BYTES) return this.#refuse('its head is too long');
          const rest = bytes.subarray(end + 4);
          if (!this.#readHead(bytes.toString('latin1', 0, end), rest.length === 0)) return undefined;
          bytes = rest;
          break;
        }
        case 'sized':
        case 'chunk': {
          if (bytes.length === 0) return false;
          const part = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
          bytes = bytes.subarray(part.length);
          this.#left -= part.length;
          const isSized = this.#state === 'sized';
          if (this.#left === 0) this.#state = isSized ? 'done' : 'chunk end';
          this.#sink?.onData(part, isSized && this.#left === 0);
          if (isSized && this.#left === 0) return this.#end(bytes, []);
          break;
        }
        case 'chunk size': {
          const end = bytes.indexOf(CRLF);
          if (end < 0) return this.#keep(bytes, CHUNK_LINE_LIMIT_BYTES, 'a chunk has no size');
          const size = /^([0-9a-f]{1,8})[ \t]*(?:;|$)/i.exec(bytes.toString('latin1', 0, end))?.[1];
          if (size === undefined) return this.#refuse('a chunk has no size');
          this.#left = Number.parseInt(size, 16);
          this.#state = this.#left === 0 ? 'trailers' : 'chunk';
          // The last chunk's line end begins the empty line after it, when there are no trailers.
          bytes = bytes.subarray(this.#left === 0 ? end : end + 2);
          break;
        }
        case 'chunk end': {
          if (bytes.length < 2) return this.#keep(bytes, 2, '');
          if (bytes[0] !== 13 || bytes[1] !== 10) return this.#refuse('a chunk is longer than its size');
          bytes = bytes.subarray(2);
          this.#state = 'chunk size';
          break;
        }
        case 'trailers': {
          const end = bytes.indexOf(HEAD_END);
          if (end < 0) return this.#keep(bytes, HEAD_LIMIT_BYTES, 'its trailers are too long');
          const trailers = end === 0 ? [] : linesOf(bytes.toString('latin1', 2, end), 0);
          if (!trailers) return this.#refuse('its trailers are no headers');
          this.#state = 'done';
          return this.#end(bytes.subarray(end + 4), trailers);
        }
        case 'until close':
          if (bytes.length > 0) this.#sink?.onData(bytes, false);
          return false;
        case 'done':
          return this.#end(bytes, []);
      }
    }
  }

  /** `bodyBytes` are all of the body that the head spoke of. */
  #isWhole(bodyBytes: number): boolean {
    return this.#state === 'sized' && this.#left === bodyBytes;
  }

  #end(rest: Buffer, trailers: readonly string[]): boolean {
    // More than one answer to one request: the connection cannot be believed any further.
    if (rest.length > 0) this.keepAliveMs = 0;
    this.#sink?.onEnd(trailers);
    this.#sink = undefined;
    return true;
  }

  #keep(bytes: Buffer, limit: number, fault: string): false | undefined {
    if (bytes.length > limit) return this.#refuse(fault);
    this.#kept = Buffer.from(bytes);
    return false;
  }

  #refuse(fault: string): undefined {
    this.fault = fault;
    return undefined;
  }

  #readHead(head: string, isAlone: boolean): boolean {
    const lineEnd = head.indexOf('\r\n');
    const line = lineEnd < 0 ? head : head.slice(0, lineEnd);
    const status = Number(line.slice(9, 12));
    if (
      !line.startsWith('HTTP/1.') ||
      !(status >= 100) ||
      status > 999 ||
      !(line[12] ?? ' ').startsWith(' ')
    ) {
      this.fault = `it begins with ${JSON.stringify(line.slice(0, 40))}`;
      return false;
    }
    const headers = lineEnd < 0 ? [] : linesOf(head, lineEnd + 2);
    if (!headers) {
      this.fault = 'a line of its head is no header';
      return false;
    }
    if (status < 200) {
      // 101 is nobody's wish here; the others announce the answer.
      if (status === 101) this.fault = 'it switches protocols';
      return status !== 101;
    }
    this.keepAliveMs = line.startsWith('HTTP/1.1') ? KEEP_ALIVE_MS : 0;
    let length: number | undefined;
    let isChunked = false;
    for (let i = 0; i < headers.length; i += 2) {
      const value = headers[i + 1] as string;
      switch (headers[i]) {
        case 'content-length':
          if (!/^\d{1,15}$/.test(value) || (length !== undefined && length !== Number(value))) {
            this.fault = `its Content-Length is [${value}]`;
            return false;
          }
          length = Number(value);
          break;
        case 'transfer-encoding':
          isChunked = value.toLowerCase().endsWith('chunked');
          break;
        case 'connection':
          if (value.toLowerCase().includes('close')) this.keepAliveMs = 0;
          break;
        case 'keep-alive':
          this.#limitKeepAlive(value);
          break;
      }
    }
    if (this.#isHead || status === 204 || status === 304) this.#state = 'done';
    else if (isChunked) this.#state = 'chunk size';
    else if (length === undefined) this.#state = 'until close';
    else {
      this.#left = length;
      this.#state = length === 0 ? 'done' : 'sized';
    }
    if (this.#state === 'until close') this.keepAliveMs = 0;
    this.#sink?.onHead(status, line.slice(13), headers, isAlone && this.#state !== 'done');
    return true;
  }

  #limitKeepAlive(value: string): void {
    const seconds = /timeout=(\d+)/.exec(value)?.[1];
    if (seconds === undefined || this.keepAliveMs === 0) return;
    this.keepAliveMs = Math.min(this.keepAliveMs, Number(seconds) * 1_000 - KEEP_ALIVE_MARGIN_MS);
  }
}

/** undefined when a line is no header (RFC 9112, section 5; folded lines are refused as servers are told to). */
function linesOf(text: string, from: number): string[] | undefined {
  const headers: string[] = [];
  for (let at = from; at < text.length;) {
    let end = text.indexOf('\r\n', at);
    if (end < 0) end = text.length;
    const colon = text.indexOf(':', at);
    if (colon <= at || colon > end) return undefined;
    const name = text.slice(at, colon).toLowerCase();
    const value = text.slice(colon + 1, end).trim();
    if (!NAME.test(name) || VALUE_FAULT.test(value)) return undefined;
    headers.push(name, value);
    at = end + 2;
  }
  return headers;
}

const NAME = /^[-!#$%&'*+.^_`|~0-9a-z]+$/;
/** What could become a line of its own, or end a string, further on. */
const VALUE_FAULT = /[\0\r\n]/;
