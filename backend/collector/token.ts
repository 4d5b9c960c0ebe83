import { timingSafeEqual } from 'node:crypto';
import { Failure } from '../../server/failure.ts';

/** Checks `Authorization: Bearer TOKEN`; without a token everyone may send. */
export class TokenGate {
  readonly #wanted: Buffer | undefined;

  constructor(token: string | undefined) {
    this.#wanted = token === undefined ? undefined : Buffer.from(`Bearer ${token}`);
  }

  check(authorization: string | undefined): void {
    if (!this.#wanted) return;
    const given = Buffer.from(authorization ?? '');
    if (given.length === this.#wanted.length && timingSafeEqual(given, this.#wanted)) return;
    throw new Failure('collector', 'unauthorized', 'cannot take spans without the token of this collector');
  }
}
