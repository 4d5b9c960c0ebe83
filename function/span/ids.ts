/**
 * Ids, kept as 32-bit words in the order of their bytes (a word is 4 bytes, little-endian, signed so that V8 holds it
 * without a box). Hex is made only where text is needed: making it costs more than everything else about a span.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { IdWords } from './span-context.ts';

/** Ids drawn at one go. 32 KiB is some 1,300 spans; a refill is spread over them to 18 ns each. */
const POOL_WORDS = 8192;

const pool = new Int32Array(POOL_WORDS);
let next = POOL_WORDS;

/** A random 32-bit word. */
export function randomWord(): number {
  if (next === POOL_WORDS) refill();
  return pool[next++] as number;
}

/**
 * Loads the generator of node:crypto, which takes 5 ms once and a tenth of what the kernel takes for each id. Until then, and at most
 * for some 5,000 spans, ids come from the kernel, so that the first request need not wait for it.
 */
export function warmIds(): void {
  fill ??= process.getBuiltinModule('node:crypto').randomFillSync;
}

const MAX_KERNEL_REFILLS = 4;
let kernelRefills = 0;
let fill: ((words: Int32Array<ArrayBuffer>) => unknown) | undefined;

function refill(): void {
  if (fill === undefined && (kernelRefills++ === MAX_KERNEL_REFILLS || !fillFromKernel())) warmIds();
  fill?.(pool);
  next = 0;
}

/** False where there is no such device. */
function fillFromKernel(): boolean {
  let fd: number | undefined;
  try {
    fd = openSync('/dev/urandom', 'r');
    // A read of up to 32 MiB comes whole (random(4)); one that does not is no random device.
    return (
      readSync(fd, pool, 0, pool.byteLength, null) === pool.byteLength && fstatSync(fd).isCharacterDevice()
    );
  } catch {
    return false;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** 8 lower-case hex digits of one word. */
export function wordToHex(word: number): string {
  return (
    (HEX[word & 255] as string) +
    (HEX[(word >>> 8) & 255] as string) +
    (HEX[(word >>> 16) & 255] as string) +
    (HEX[word >>> 24] as string)
  );
}

/** `00-<trace id>-<span id>-01` of a sampled span, in one piece: from two ids as text it would be put together of thirty. */
export function sampledTraceparent(ids: IdWords): string {
  putWord(ids.t0, 3);
  putWord(ids.t1, 11);
  putWord(ids.t2, 19);
  putWord(ids.t3, 27);
  putWord(ids.s0, 36);
  putWord(ids.s1, 44);
  return traceparent.latin1Slice(0, traceparent.length);
}

const traceparent = Buffer.from(`00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`, 'latin1') as Sliceable;
/** The codes of a byte's two digits. */
const HIGH = Uint8Array.from(HEX, (digits) => digits.charCodeAt(0));
const LOW = Uint8Array.from(HEX, (digits) => digits.charCodeAt(1));

function putWord(word: number, at: number): void {
  for (let byte = 0; byte < 4; byte++) {
    const value = (word >>> (8 * byte)) & 255;
    traceparent[at + 2 * byte] = HIGH[value] as number;
    traceparent[at + 2 * byte + 1] = LOW[value] as number;
  }
}

/** Buffer's own fast path, which Node has but its types leave out. */
interface Sliceable extends Buffer {
  latin1Slice(start: number, end: number): string;
}

/** More than any digit: its bit stays in what is or-ed together. */
const NO_DIGIT = 0x100;
const DIGITS = new Uint16Array(128).fill(NO_DIGIT);
for (let digit = 0; digit < 16; digit++) DIGITS[digit.toString(16).charCodeAt(0)] = digit;

let read = 0;

/** The word at digit `offset` of what somebody sent; whether it was hex, in lower case, `wasHex()` says of all that was read since. */
export function readWord(text: string, offset: number): number {
  let word = 0;
  for (let byte = 0; byte < 4; byte++) {
    const high = digitAt(text, offset + 2 * byte);
    const low = digitAt(text, offset + 2 * byte + 1);
    read |= high | low;
    word |= ((high << 4) | low) << (8 * byte);
  }
  return word;
}

/** Two digits as a number; see `readWord`. */
export function readByte(text: string, offset: number): number {
  const high = digitAt(text, offset);
  const low = digitAt(text, offset + 1);
  read |= high | low;
  return (high << 4) | low;
}

export function wasHex(): boolean {
  const isHex = (read & NO_DIGIT) === 0;
  read = 0;
  return isHex;
}

function digitAt(text: string, offset: number): number {
  const code = text.charCodeAt(offset);
  return code < 128 ? (DIGITS[code] as number) : NO_DIGIT;
}

/** The word at digit `offset` of a hex string that is known to be valid. */
export function hexToWord(hex: string, offset: number): number {
  return (
    byteAt(hex, offset) |
    (byteAt(hex, offset + 2) << 8) |
    (byteAt(hex, offset + 4) << 16) |
    (byteAt(hex, offset + 6) << 24)
  );
}

function byteAt(hex: string, offset: number): number {
  return (nibble(hex.charCodeAt(offset)) << 4) | nibble(hex.charCodeAt(offset + 1));
}

/** '0'..'9' are 0x30.., 'a'..'f' 0x61.., 'A'..'F' 0x41..: the low four bits, and nine more for a letter. */
function nibble(code: number): number {
  return (code & 15) + (code >>> 6) * 9;
}
