import { Failure } from '../../server/failure.ts';
import type { TimeRange } from './store.ts';

/**
 * SQL literals from untrusted values. We write literals instead of binding parameters because chDB's bound queries run one
 * at a time in the whole process; so nothing may enter a statement except through the functions of this file.
 */

/**
 * A string literal. Everything outside printable ASCII, and quote and backslash, is written as `\xHH` of its UTF-8 bytes:
 * what is left cannot end the literal, cannot hold a newline (chDB ends a statement at a blank line) nor a NUL.
 */
export function sqlString(value: string): string {
  const bytes = Buffer.from(value, 'utf8');
  let text = "'";
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== 0x5c;
    text += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `${text}'`;
}

/** A FixedString(16) from 32 hex digits. */
export function sqlTraceId(hex: string): string {
  if (!/^[0-9a-f]{32}$/i.test(hex)) throw badId('trace id', hex, 32);
  return `unhex('${hex}')`;
}

/** A FixedString(8) from 16 hex digits. */
export function sqlSpanId(hex: string): string {
  if (!/^[0-9a-f]{16}$/i.test(hex)) throw badId('span id', hex, 16);
  return `unhex('${hex}')`;
}

/** A DateTime64(9) from nanoseconds since the epoch, held inside what the tables can keep. */
export function sqlTime(unixNano: bigint): string {
  return `fromUnixTimestamp64Nano(toInt64(${heldTime(unixNano)}), 'UTC')`;
}

/** What the tables can keep of a time. */
export function heldTime(unixNano: bigint): bigint {
  return unixNano < 0n ? 0n : unixNano > MAX_TIME_UNIX_NANO ? MAX_TIME_UNIX_NANO : unixNano;
}

/** The column lies in the range, both ends included. */
export function within(column: string, range: TimeRange): string {
  checkRange(range);
  return `${column} >= ${sqlTime(range.startUnixNano)} AND ${column} <= ${sqlTime(range.endUnixNano)}`;
}

export function checkRange({ startUnixNano, endUnixNano }: TimeRange): void {
  if (endUnixNano < startUnixNano)
    throw new Failure(
      'store',
      'bad_request',
      `cannot search from [${startUnixNano}] to [${endUnixNano}]: the end lies before the start`,
    );
}

/** Start of the year 2100: later times are kept as this one (toStartOfMinute, in the sort key, ends in 2106). */
export const MAX_TIME_UNIX_NANO = 4_102_444_800_000_000_000n;

export function sqlInteger(value: bigint | number, min: bigint, max: bigint): string {
  if (typeof value === 'number' && !Number.isInteger(value))
    throw new Failure('store', 'bad_request', `cannot use [${value}] as a whole number`);
  const whole = BigInt(value);
  if (whole < min || whole > max)
    throw new Failure('store', 'bad_request', `cannot use [${value}]: not between ${min} and ${max}`);
  return whole.toString();
}

function badId(what: string, value: string, digits: number): Failure {
  return new Failure(
    'store',
    'bad_request',
    `cannot use [${value.slice(0, 64)}] as a ${what}: not ${digits} hex digits`,
  );
}
