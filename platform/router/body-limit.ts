import { Failure } from '../../server/failure.ts';

export function bodyTooLarge(limitBytes: number): Failure {
  return new Failure(
    'router',
    'body_too_large',
    `cannot take this body: it is larger than ${limitBytes} bytes`,
  );
}
