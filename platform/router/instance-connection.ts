import { connect, type Socket } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { AnswerReader, type AnswerSink } from './answer-reader.ts';
import { bodyTooLarge, bodyTooSlow } from './body-limit.ts';

/** What is sent to an instance. Names and values of headers come from a parsed request or from us: no line breaks in them. */
export interface InstanceRequest {
  readonly method: string;
  readonly path: string;
  /** name, value, name, value … with `content-length` if the body has a known length. */
  readonly headers: readonly string[];
  /** undefined when there is none. */
  readonly body: IncomingMessage | Buffer | undefined;
  /** Of the body, in bytes; past it the call fails with `body_too_large`. */
  readonly bodyLimitBytes: number;
  /** How long the client may keep silent in the middle of the body; past it the call fails with `request_timeout`. */
  readonly bodyIdleTimeoutMs: number;
}

/** A body up to this is joined to its head. */
const ONE_WRITE_BYTES = 8 * 1024;

/** Who waits for the answer. After onEnd or one of the errors nothing more is called; after `abort` nothing at all. */
export interface InstanceCaller extends AnswerSink {
  /** The instance was not reached: nothing of the request has been read. */
  onDialError(error: NodeJS.ErrnoException): void;
  /** Anything later: the request may have been read. */
  onBroken(error: Error): void;
}

/**
 * One kept-alive HTTP/1.1 connection to an instance, over its unix socket; one request at a time, never a second one before the
 * first one's answer. Ours rather than undici's because half of a request's CPU in the router was spent on that general client:
 * no queue, no parser in WebAssembly, no check of headers that another parser has checked, one write for a request without a body.
 */
export class InstanceConnection {
  readonly #socket: Socket;
  readonly #reader = new AnswerReader();
  readonly #onIdle: (connection: InstanceConnection) => void;
  readonly #onGone: (connection: InstanceConnection) => void;
  #caller: InstanceCaller | undefined;
  #request: InstanceRequest | undefined;
  #body: Body | undefined;
  /** ms of performance.now(); past it the instance may close it at any time. */
  #usableUntilMs = 0;

  constructor(
    socketPath: string,
    onIdle: (connection: InstanceConnection) => void,
    onGone: (connection: InstanceConnection) => void,
  ) {
    this.#onIdle = onIdle;
    this.#onGone = onGone;
    this.#socket = connect({ path: socketPath });
    this.#socket.on('connect', () => this.#write());
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.on('drain', () => this.#body?.resume());
    this.#socket.on('end', () => this.#ended());
    this.#socket.on('error', (error) => this.#failed(error));
    this.#socket.on('close', () => {
      this.#failed(new Error('the connection was closed before the answer was complete'));
      this.#onGone(this);
    });
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
    let isSized = false;
    for (let i = 0; i < headers.length; i += 2) {
      head += `${headers[i]}: ${headers[i + 1]}\r\n`;
      isSized ||= headers[i] === 'content-length';
    }
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
    this.#socket.write(`${head}${isSized ? '' : 'transfer-encoding: chunked\r\n'}\r\n`, 'latin1');
    this.#body = new Body(request, body, this.#socket, isSized, (error) => {
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
    const isClean = this.#body?.isSent ?? true;
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

  #failed(error: Error): void {
    const caller = this.#caller;
    if (!caller) return;
    const wasConnected = this.#reader.hasBegun;
    this.#forget();
    if (wasConnected) caller.onBroken(error);
    else caller.onDialError(error);
  }

  #forget(): void {
    this.#caller = undefined;
    this.#request = undefined;
    this.#body?.stop();
    this.#body = undefined;
  }
}

/** Passes the body of a client's request on, no faster than the instance reads. */
class Body {
  readonly #source: IncomingMessage;
  readonly #socket: Socket;
  readonly #isSized: boolean;
  readonly #limits: Pick<InstanceRequest, 'bodyLimitBytes' | 'bodyIdleTimeoutMs'>;
  readonly #fail: (error: Error) => void;
  readonly #idle: NodeJS.Timeout;
  #received = 0;
  isSent = false;

  constructor(
    limits: Pick<InstanceRequest, 'bodyLimitBytes' | 'bodyIdleTimeoutMs'>,
    source: IncomingMessage,
    socket: Socket,
    isSized: boolean,
    fail: (error: Error) => void,
  ) {
    this.#source = source;
    this.#socket = socket;
    this.#isSized = isSized;
    this.#limits = limits;
    this.#fail = fail;
    this.#idle = setTimeout(this.#onSilence, limits.bodyIdleTimeoutMs).unref();
    source.on('data', this.#onData).on('end', this.#onEnd);
  }

  resume(): void {
    this.#source.resume();
  }

  stop(): void {
    clearTimeout(this.#idle);
    this.#source.off('data', this.#onData).off('end', this.#onEnd);
  }

  readonly #onData = (chunk: Buffer) => {
    this.#received += chunk.length;
    this.#idle.refresh();
    if (this.#received > this.#limits.bodyLimitBytes) {
      this.#fail(bodyTooLarge(this.#limits.bodyLimitBytes));
      return;
    }
    if (!this.#isSized) this.#socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    let hasRoom = this.#socket.write(chunk);
    if (!this.#isSized) hasRoom = this.#socket.write('\r\n', 'latin1');
    if (!hasRoom) this.#source.pause();
  };

  readonly #onSilence = () => {
    // It is the function that does not read: its own time-out is for that.
    if (this.#source.isPaused()) this.#idle.refresh();
    else this.#fail(bodyTooSlow(this.#limits.bodyIdleTimeoutMs));
  };

  readonly #onEnd = () => {
    clearTimeout(this.#idle);
    this.isSent = true;
    if (!this.#isSized) this.#socket.write('0\r\n\r\n', 'latin1');
  };
}

function uncork(socket: Socket): void {
  socket.uncork();
}
