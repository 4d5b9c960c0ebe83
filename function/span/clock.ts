/**
 * Two clocks: a monotonic one for every span, and the wall clock it is anchored to. `performance.now()` stops while a
 * machine is suspended or a container frozen, so that its own `timeOrigin` goes stale (opentelemetry-js#852, #3279):
 * the offset is checked at each local root span and corrected when it has drifted.
 */
import type { HrTime, TimeInput } from '@opentelemetry/api';

/** Date.now() is cut to whole milliseconds, so up to one of them is no drift. */
const TOLERATED_DRIFT_MS = 2;

/** A check is worth a clock read this often, in monotonic ms; a suspension is much longer than the work between two checks. */
const CHECK_EVERY_MS = 1;

/** A wall clock reading is believed when the monotonic readings around it are this close. */
const CLOSE_READINGS_MS = 0.2;
const READINGS = 5;

/** Kept, as the global is a getter that is asked at each use. */
const clock = performance;

/** Unix time in ms at which the monotonic clock read 0, as far as we know now. */
let offsetMs = performance.timeOrigin;
let corrections = 0;
let checkedMs = Number.NEGATIVE_INFINITY;

/** Monotonic milliseconds, with fractions. */
export function monotonicMs(): number {
  return clock.now();
}

/** Looks at the wall clock and corrects the offset. Returns how often it was corrected: a change asks for a new ANCHOR. */
export function checkWallClock(nowMs: number): number {
  if (nowMs - checkedMs < CHECK_EVERY_MS) return corrections;
  checkedMs = nowMs;
  const driftMs = Date.now() + 0.5 - (offsetMs + nowMs);
  if (driftMs > TOLERATED_DRIFT_MS || driftMs < -TOLERATED_DRIFT_MS) correct();
  return corrections;
}

/**
 * Looks again before believing it: on a busy machine this process may have been off the CPU between the two readings, and
 * that is no drift. Only a wall clock read between two monotonic readings that lie close together counts.
 */
function correct(): void {
  for (let i = 0; i < READINGS; i += 1) {
    const before = performance.now();
    const wallMs = Date.now() + 0.5;
    const after = performance.now();
    if (after - before > CLOSE_READINGS_MS) continue;
    const driftMs = wallMs - (offsetMs + before);
    if (driftMs > TOLERATED_DRIFT_MS || driftMs < -TOLERATED_DRIFT_MS) {
      offsetMs += driftMs;
      corrections += 1;
    }
    return;
  }
}

/** Unix time in ns of a monotonic time, to the microsecond. */
export function wallUnixNano(monotonic: number): bigint {
  return BigInt(Math.round((offsetMs + monotonic) * 1e3)) * 1000n;
}

/**
 * Any of OpenTelemetry's forms as monotonic ms: [seconds, nanoseconds] and Date since 1970; a number since 1970 in ms, or
 * a reading of performance.now() when it is too small for that (as opentelemetry-js `timeInputToHrTime` tells them apart).
 */
export function toMonotonicMs(time: TimeInput | undefined): number {
  if (time === undefined) return performance.now();
  if (typeof time === 'number') {
    if (!Number.isFinite(time)) return performance.now();
    return time >= offsetMs / 2 ? time - offsetMs : time;
  }
  if (Array.isArray(time)) {
    const at = time[0] * 1e3 - offsetMs + time[1] / 1e6;
    return Number.isFinite(at) ? at : performance.now();
  }
  const at = time instanceof Date ? time.getTime() - offsetMs : Number.NaN;
  return Number.isFinite(at) ? at : performance.now();
}

export function isTimeInput(value: unknown): value is TimeInput {
  return typeof value === 'number' || value instanceof Date || isHrTime(value);
}

function isHrTime(value: unknown): value is HrTime {
  return (
    Array.isArray(value) && value.length === 2 && typeof value[0] === 'number' && typeof value[1] === 'number'
  );
}
