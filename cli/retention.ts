import { InvalidArgumentError } from 'commander';

/** `7d`, `2w`: whole days, since a day is what is dropped. */
export function parseDays(text: string): number {
  const [, count, unit] = /^(\d{1,6})([dw])$/.exec(text) ?? [];
  const days = Number(count) * (unit === 'w' ? 7 : 1);
  if (!(days >= 1))
    throw new InvalidArgumentError('how long to keep is whole days or weeks, at least a day, as in 7d or 2w');
  return days;
}

/** `10GB`, `500MB`, `1.5TB`, `10GiB`: bytes. */
export function parseBytes(text: string): number {
  const [, count, unit] = /^(\d{1,16}(?:\.\d{1,3})?) ?([KMGT]i?B|B)$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(count) * (UNITS[(unit ?? '').toLowerCase()] ?? NaN));
  if (!(bytes >= 1) || bytes > Number.MAX_SAFE_INTEGER)
    throw new InvalidArgumentError('a size is a number and a unit, as in 10GB or 512MiB');
  return bytes;
}

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};
