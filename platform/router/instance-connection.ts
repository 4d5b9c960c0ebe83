import { Socket } from 'node:net';
import { AnswerReader, type AnswerSink } from './answer-reader.ts';
import { RequestBody } from './request-body.ts';

/** What is sent to an instance. Names and values of headers come from a parsed request or from us: no line breaks in them. */
export interface InstanceRequest {
  readonly method: string;
  readonly path: string;
  /** name, value, name, value … with `content-length` if the body has a known length. */
  readonly headers: readonly string[];
  /** undefined when there is none. */
  readonly body: RequestBody | Buffer | undefined;
}

/** A body up to this is joined to its head. */
const ONE_WRITE_BYTES = 8 * 1024;
/**
 * What is read of any instance is read into here, and has been copied, or told as text, before the next read of any: a new buffer
 * for each, which Node would take, costs more than reading a small answer.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);

/** Who waits for the answer. After onEnd or one of the errors nothing more is called; after `abort` nothing at all. */
export interface InstanceCaller extends AnswerSink {
  /** The instance was not reached, or has closed the connection without having read the request to the end of its head. */
  onDialError(error: NodeJS.ErrnoException): void;
  /** Closed with a part of the body unread and before the first byte of an answer: only the instance knows whether it has begun. */
  onUnanswered(error: NodeJS.ErrnoException): void;
  /** Anything later: the request may have been read. */
  onBroken(error: Error): void;
}

/**
 * One kept-alive HTTP/1.1 connection to an instance, over its unix socket; one request at a time, never a second one before the
 * first one's answer. Ours rather than undici's because half of a request's CPU in the router was spent on that general client:
 * no queue, no parser in WebAssembly, no check of headers that another parser has checked, one write for a request without a body.
 */
export class InstanceConnection {
  readonly #socket = new PatientSocket({
    onread: {
      buffer: READ_BUFFER,
      callback: (bytes: number) => {
        this.#read(READ_BUFFER.subarray(0, bytes));
        return true;
      },
    },
  });
  readonly #reader = new AnswerReader();
  readonly #onIdle: (connection: InstanceConnection) => void;
  readonly #onGone: (connection: InstanceConnection) => void;
  #caller: InstanceCaller | undefined;
  #request: InstanceRequest | undefined;
  /** Something of the answer has come. */
  #isAnswering = false;
  /** What broke a write of this request, and whether anything of it was written before. */
  #brokenWrite: { readonly error: NodeJS.ErrnoException; readonly isFirst: boolean } | undefined;
  /** ms of performance.now(); past it the instance may close it at any time. Not before its first answer. */
  #usableUntilMs = Number.POSITIVE_INFINITY;

  constructor(
    socketPath: string,
    onIdle: (connection: InstanceConnection) => void,
    onGone: (connection: InstanceConnection) => void,
  ) {
    this.#onIdle = onIdle;
    this.#onGone = onGone;
    this.#socket.onBrokenWrite = (error, isFirst) => {
      this.#brokenWrite ??= { error, isFirst };
      this.#stream?.hold();
    };
    this.#socket.on('connect', () => this.#write());
    this.#socket.on('drain', () => this.#stream?.resume());
    this.#socket.on('end', () => this.#ended());
    this.#socket.on('error', (error) => this.#failed(error));
    this.#socket.on('close', () => {
      this.#failed(new Error('the connection was closed before the answer was complete'));
      this.#onGone(this);
    });
    this.#socket.connect({ path: socketPath });
  }

  isUsable(nowMs: number): boolean {
    return this.#socket.writable && nowMs < this.#usableUntilMs;
  }

  send(request: InstanceRequest, caller: InstanceCaller): void {
    this.#request = request;
    this.#caller = caller;
    if (!this.#socket.connecting) this.#write();
  }

  /** Nobody waits any more. The instance sees its client gone. */
  abort(): void {
    this.#forget();
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  #write(): void {
    const request = this.#request;
    if (!request || !this.#caller) return;
    const { method, path, headers, body } = request;
    let head = `${method} ${path} HTTP/1.1\r\n`;
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
    this.#isAnswering = false;
    this.#brokenWrite = undefined;
    this.#socket.beginRequest();
    this.#reader.begin(method === 'HEAD', this.#caller);
    if (body === undefined) {
      this.#socket.write(`${head}\r\n`, 'latin1');
      return;
    }
    if (Buffer.isBuffer(body)) {
      this.#writeWhole(head, body);
      return;
    }
    // Head and the part of the body that is here already leave together.
    this.#socket.cork();
    process.nextTick(uncork, this.#socket);
    this.#socket.write(`${head}${body.isSized ? '' : 'transfer-encoding: chunked\r\n'}\r\n`, 'latin1');
    body.sendTo(this.#socket, (error) => {
      this.#failed(error);
      this.#socket.destroy();
    });
  }

  #writeWhole(head: string, body: Buffer): void {
    // As one string it is one plain write, where a Buffer beside it makes it a vector of two.
    if (body.length <= ONE_WRITE_BYTES) {
      this.#socket.write(`${head}\r\n${body.toString('latin1')}`, 'latin1');
      return;
    }
    this.#socket.cork();
    process.nextTick(uncork, this.#socket);
    this.#socket.write(`${head}\r\n`, 'latin1');
    this.#socket.write(body);
  }

  #read(chunk: Buffer): void {
    if (!this.#caller) {
      // Bytes that nobody asked for: whatever they are, the next answer must not begin with them.
      this.#socket.destroy();
      return;
    }
    this.#isAnswering = true;
    const isComplete = this.#reader.read(chunk);
    if (isComplete === undefined) {
      this.#failed(new Error(`the answer is not HTTP: ${this.#reader.fault}`));
      this.#socket.destroy();
    } else if (isComplete) this.#complete();
  }

  #complete(): void {
    if (!this.#caller) return; // aborted while it was told
    const { keepAliveMs } = this.#reader;
    // What is left of a body that the function did not want would stand before the next request.
    const isClean = (this.#stream?.isSent ?? true) && this.#brokenWrite === undefined;
    this.#forget();
    if (keepAliveMs <= 0 || !isClean || !this.#socket.writable) {
      this.#socket.destroy();
      return;
    }
    this.#usableUntilMs = performance.now() + keepAliveMs;
    this.#onIdle(this);
  }

  #ended(): void {
    const caller = this.#caller;
    if (caller && this.#reader.endsWithConnection) {
      this.#forget();
      caller.onEnd([]);
    }
    this.#socket.destroy();
  }

  #failed(error: NodeJS.ErrnoException): void {
    const caller = this.#caller;
    if (!caller) return;
    const body = this.#request?.body;
    const brokenWrite = this.#brokenWrite;
    const wasSent = this.#reader.hasBegun;
    this.#forget();
    if (!wasSent) {
      caller.onDialError(error);
    } else if (this.#isAnswering) {
      caller.onBroken(error);
    } else if (brokenWrite?.isFirst) {
      caller.onDialError(brokenWrite.error);
    } else if (error.code === 'ECONNRESET' || brokenWrite) {
      // What says that on a unix socket is the kernel, and it says: closed with bytes of ours unread.
      if (body === undefined) caller.onDialError(error);
      else caller.onUnanswered(brokenWrite?.error ?? error);
    } else {
      caller.onBroken(error);
    }
  }

  /** The body, when it is one that comes piece by piece. */
  get #stream(): RequestBody | undefined {
    const body = this.#request?.body;
    return body instanceof RequestBody ? body : undefined;
  }

  #forget(): void {
    this.#stream?.hold();
    this.#caller = undefined;
    this.#request = undefined;
  }
}

/**
 * A write that finds the other end closed does not end the reading: an answer that was given before (413 in the middle of a large
 * body) stands in the queue still, and the end of the connection behind it. Left to itself, the socket would drop both.
 */
class PatientSocket extends Socket {
  /** Gets what broke a write, and whether it was the first one after `beginRequest`. */
  onBrokenWrite: (error: NodeJS.ErrnoException, isFirst: boolean) => void = () => {};
  #writes = 0;

  beginRequest(): void {
    this.#writes = 0;
  }

  override _write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
    this.#writes += 1;
    super._write(chunk, encoding, (error) => this.#written(error, done));
  }

  override _writev(chunks: Chunks, done: Done): void {
    this.#writes += 1;
    super._writev?.(chunks, (error) => this.#written(error, done));
  }

  #written(error: NodeJS.ErrnoException | null | undefined, done: Done): void {
    if (error?.code !== 'EPIPE' && error?.code !== 'ECONNRESET') {
      done(error);
      return;
    }
    this.onBrokenWrite(error, this.#writes === 1);
    done();
  }
}

type Done = (error?: Error | null) => void;
type Chunks = { chunk: unknown; encoding: BufferEncoding }[];

function uncork(socket: Socket): void {
  socket.uncork();
}
