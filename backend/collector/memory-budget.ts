import { Failure } from '../../server/failure.ts';

/** How much the collector may hold of what senders sent. Past it they are asked to come back, and nothing is buffered for them. */
export class MemoryBudget {
  readonly #maxBytes: number;
  #held = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get heldBytes(): number {
    return this.#held;
  }

  reserve(): Reservation {
    return new Reservation((bytes) => this.#take(bytes));
  }

  #take(bytes: number): void {
    // Someone who asks for more than there is may still be served when nobody else is.
    if (bytes > 0 && this.#held > 0 && this.#held + bytes > this.#maxBytes)
      throw new Failure(
        'collector',
        'overloaded',
        `cannot take more now: ${this.#held} bytes wait to be stored and the limit is ${this.#maxBytes}`,
      );
    this.#held += bytes;
  }
}

export class Reservation implements Disposable {
  readonly #take: (bytes: number) => void;
  #bytes = 0;

  constructor(take: (bytes: number) => void) {
    this.#take = take;
  }

  grow(bytes: number): void {
    this.#take(bytes);
    this.#bytes += bytes;
  }

  [Symbol.dispose](): void {
    this.#take(-this.#bytes);
    this.#bytes = 0;
  }
}
