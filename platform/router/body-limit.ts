import { Failure } from '../../server/failure.ts';

export function bodyTooLarge(limitBytes: number): Failure {
  return new Failure(
    'router',
    'body_too_large',
    `cannot take this body: it is larger than ${limitBytes} bytes`,
  );
}

export function bodyTooSlow(idleTimeoutMs: number): Failure {
  return new Failure(
    'router',
    'request_timeout',
    `cannot wait longer for the body: nothing came for ${idleTimeoutMs} ms`,
  );
}
