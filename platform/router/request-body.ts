import { Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { Failure } from '../../server/failure.ts';

/**
 * The body of a client's request on its way to an instance. undici destroys the stream it is given when the instance fails, and to
 * destroy an IncomingMessage is to cut the client off before it got its 502 or 504; so it gets this one.
 */
export class RequestBody extends Readable {
  readonly #request: IncomingMessage;
  readonly #limitBytes: number;
  #received = 0;
  #isFlowing = false;

  constructor(request: IncomingMessage, limitBytes: number) {
    super();
    this.#request = request;
    this.#limitBytes = limitBytes;
  }

  override _read(): void {
    if (!this.#isFlowing) {
      this.#isFlowing = true;
      this.#request.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose);
    }
    this.#request.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#request.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    done(error);
  }

  readonly #onData = (chunk: Buffer) => {
    this.#received += chunk.length;
    if (this.#received > this.#limitBytes) this.destroy(bodyTooLarge(this.#limitBytes));
    else if (!this.push(chunk)) this.#request.pause();
  };

  readonly #onEnd = () => {
    this.push(null);
  };

  readonly #onClose = () => {
    if (!this.#request.complete)
      this.destroy(new Failure('router', 'client_disconnect', 'cannot read the body: the client has gone'));
  };
}

export function bodyTooLarge(limitBytes: number): Failure {
  return new Failure(
    'router',
    'body_too_large',
    `cannot take this body: it is larger than ${limitBytes} bytes`,
  );
}
