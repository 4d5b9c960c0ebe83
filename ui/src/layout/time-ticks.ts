const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[1, 2, 5, 10, 30].map((seconds) => seconds * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 30, 365].map((days) => days * DAY),
];

/**
 * Round moments of a stretch of time for its axis, at most `most` of them, ms since 1970. `offsetMs` is how far local time is ahead of
 * UTC: midnight is where the reader has it.
 */
export function timeTicks(fromMs: number, toMs: number, most: number, offsetMs: number): readonly number[] {
  const length = toMs - fromMs;
  const step = STEPS.find((each) => length / each <= most);
  if (step === undefined || length <= 0) return [];
  const first = Math.ceil((fromMs + offsetMs) / step) * step - offsetMs;
  const ticks: number[] = [];
  for (let at = first; at <= toMs && ticks.length < most; at += step) ticks.push(at);
  return ticks;
}

/** As far as a stretch of that length asks for: "22 Nov 14:00" of days, "14:02" of hours, "14:02:10" of minutes. */
export function formatMoment(unixMs: number, lengthMs: number): string {
  const date = new Date(unixMs);
  const two = (value: number) => String(value).padStart(2, '0');
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (lengthMs >= 20 * HOUR) return `${date.getDate()} ${MONTHS[date.getMonth()]} ${clock}`;
  return lengthMs >= 10 * MINUTE ? clock : `${clock}:${two(date.getSeconds())}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
