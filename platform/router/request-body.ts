import type { IncomingMessage } from 'node:http';
import { bodyTooLarge, bodyTooSlow } from './body-limit.ts';

/** What has been read of a body is kept up to here, so that it can be sent to another instance when the first has not begun it. */
const KEPT_BYTES = 64 * 1024;

export interface BodyLimits {
  /** Past it the call fails with `body_too_large`. */
  readonly bodyLimitBytes: number;
  /** How long the client may keep silent in the middle of it; past it the call fails with `request_timeout`. */
  readonly bodyIdleTimeoutMs: number;
}

/** Where it goes: a socket. */
interface Outlet {
  /** False when it has enough for now. */
  write(chunk: Buffer | string, encoding?: 'latin1'): boolean;
}

/**
 * The body of a client's request on its way to an instance, no faster than the instance reads.
 *
 *   sendTo ── (all sent)              hold ── sendTo another: what was read of it comes first
 *      └───── hold ── end             end: the rest is read and thrown away
 */
export class RequestBody {
  readonly #source: IncomingMessage;
  readonly #isSized: boolean;
  readonly #limits: BodyLimits;
  #outlet: Outlet | undefined;
  #fail: ((error: Error) => void) | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** undefined once it is too much. */
  #kept: Buffer[] | undefined = [];
  #received = 0;
  #hasEnded = false;
  #isSent = false;
  #isUnwanted = false;

  constructor(source: IncomingMessage, isSized: boolean, limits: BodyLimits) {
    this.#source = source;
    this.#isSized = isSized;
    this.#limits = limits;
  }

  /** Its length stands in the request's headers; if not it goes in chunks. */
  get isSized(): boolean {
    return this.#isSized;
  }

  get isSent(): boolean {
    return this.#isSent;
  }

  get canBeRepeated(): boolean {
    return this.#kept !== undefined;
  }

  sendTo(outlet: Outlet, onFault: (error: Error) => void): void {
    this.#outlet = outlet;
    this.#fail = onFault;
    for (const chunk of this.#kept ?? []) this.#write(chunk);
    if (this.#hasEnded) {
      this.#finish();
      return;
    }
    this.#idle = setTimeout(onSilence, this.#limits.bodyIdleTimeoutMs, this).unref();
    this.#source.on('data', this.#onData).on('end', this.#onEnd);
    if (this.#source.isPaused()) this.#source.resume();
  }

  /** The outlet has room again. */
  resume(): void {
    if (this.#outlet) this.#source.resume();
  }

  /** Stops where it is. */
  hold(): void {
    this.#outlet = undefined;
    clearTimeout(this.#idle);
    if (this.#hasEnded || this.#isUnwanted) return;
    this.#source.off('data', this.#onData).off('end', this.#onEnd).pause();
  }

  /** Nobody wants what is left; it must not stand in the way of the client's next request. */
  end(): void {
    if (this.#hasEnded || this.#isUnwanted) return;
    this.hold();
    this.#isUnwanted = true;
    this.#source.resume();
  }

  readonly #onData = (chunk: Buffer) => {
    this.#received += chunk.length;
    this.#idle?.refresh();
    if (this.#received > this.#limits.bodyLimitBytes) {
      this.#fail?.(bodyTooLarge(this.#limits.bodyLimitBytes));
      return;
    }
    if (this.#received <= KEPT_BYTES) this.#kept?.push(chunk);
    else this.#kept = undefined;
    if (!this.#write(chunk)) this.#source.pause();
  };

  /** Called by the timer. */
  wasSilent(): void {
    // It is the function that does not read: its own time-out is for that.
    if (this.#source.isPaused()) this.#idle?.refresh();
    else this.#fail?.(bodyTooSlow(this.#limits.bodyIdleTimeoutMs));
  }

  readonly #onEnd = () => {
    clearTimeout(this.#idle);
    this.#hasEnded = true;
    this.#finish();
  };

  #write(chunk: Buffer): boolean {
    const outlet = this.#outlet as Outlet;
    if (this.#isSized) return outlet.write(chunk);
    outlet.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    outlet.write(chunk);
    return outlet.write('\r\n', 'latin1');
  }

  #finish(): void {
    this.#isSent = true;
    if (!this.#isSized) this.#outlet?.write('0\r\n\r\n', 'latin1');
  }
}

function onSilence(body: RequestBody): void {
  body.wasSilent();
}
