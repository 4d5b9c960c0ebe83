import { Cron } from 'croner';
import { Failure } from '../../server/failure.ts';

/** When a timer fires. */
export interface Schedule {
  /** The first firing after `after` (Unix ms); undefined when there is none any more. `last` is when it fired last. */
  next(after: number, last?: number): number | undefined;
}

/**
 * What Fission takes (robfig/cron v3, seconds optional): five or six fields, `@hourly` and its like, `@every 1h30m`, and
 * `CRON_TZ=Europe/Berlin` (or `TZ=`) in front of fields. `timeZone` is for those that name none.
 */
export function parseCron(text: string, timeZone = 'UTC'): Schedule {
  const every = /^@every\s+(.+)$/.exec(text.trim());
  if (every) return everySchedule(parseDuration(every[1] as string, text));
  const zoned = /^(?:CRON_TZ|TZ)=(\S+)\s+(.+)$/.exec(text.trim());
  const pattern = zoned?.[2] ?? text.trim();
  const zone = zoned?.[1] ?? timeZone;
  if (!isTimeZone(zone))
    throw new Failure(
      'trigger',
      'bad_request',
      `cannot parse cron [${text}]: there is no time zone [${zone}]`,
    );
  try {
    const cron = new Cron(pattern, { timezone: zone, paused: true, mode: '5-or-6-parts' });
    return { next: (after) => cron.nextRun(new Date(after))?.getTime() };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Failure('trigger', 'bad_request', `cannot parse cron [${text}]: ${message}`, { cause });
  }
}

function isTimeZone(zone: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined;
  } catch {
    return false;
  }
}

/** Counted from the last firing, so that a restart neither shortens nor restarts the interval. */
function everySchedule(intervalMs: number): Schedule {
  return {
    next: (after, last) => {
      if (last === undefined || last > after) return after + intervalMs;
      return last + (Math.floor((after - last) / intervalMs) + 1) * intervalMs;
    },
  };
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Go's durations; robfig/cron rounds below a second up to one. */
function parseDuration(text: string, whole: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  const ms = parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * (UNITS[unit as string] as number),
    0,
  );
  if (parts.map(([part]) => part).join('') !== text || !(ms > 0) || ms > 366 * 24 * 3_600_000)
    throw new Failure(
      'trigger',
      'bad_request',
      `cannot parse cron [${whole}]: [${text}] is not a duration such as 1h30m, at most a year`,
    );
  return Math.max(1_000, Math.floor(ms / 1_000) * 1_000);
}
