import { Failure } from '../../server/failure.ts';
import type { Lease } from '../executor/client.ts';

/**
 * Only what no function has begun is tried again: a failed dial (fission.md, section 4), a connection closed with the request
 * unread, and what an instance that was asked to end has not begun by its own word.
 */
export const MAX_ATTEMPTS = 10;
const FIRST_BACK_OFF_MS = 5;
const MAX_BACK_OFF_MS = 500;
/** A connection breaks a moment before its process is reaped and says what it died of. */
const DEATH_NOTICE_MS = 1_000;

/** Before the attempt after this one, with some chance in it so that many do not come back at once. */
export function backOffMs(attempt: number): number {
  return Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (attempt - 1)) * (1 + Math.random() * 0.2);
}

export function dialFailure(functionName: string, error: NodeJS.ErrnoException): Failure {
  return new Failure(
    'router',
    error.code === 'ECONNREFUSED' ? 'connection_refused' : 'dial_error',
    `cannot reach an instance of function [${functionName}]: ${error.message}`,
    { cause: error },
  );
}

/** Of an instance whose connection has just broken: was it asked to end, or does it die or live on? */
export async function saysDraining(lease: Lease): Promise<boolean> {
  await Promise.race([lease.draining, lease.died, deathNotice()]);
  // Asked of the lease: when it has said so and died since, the death may be what is heard of first.
  return lease.isDraining;
}

/** Resolves when a death that a broken connection announced should have been heard of. */
export function deathNotice(): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, DEATH_NOTICE_MS, undefined).unref();
  });
}
