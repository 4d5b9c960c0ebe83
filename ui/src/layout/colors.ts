/** Hues that functions and other services take, as CSS variables `--hue-0` …, each defined for light and for dark. */
export const HUES = 10;

/** Steps from cold to hot, as `--heat-0` …. */
export const HEATS = 5;

export function heatColor(step: number): string {
  return `var(--heat-${step})`;
}

/** The platform's own parts stay grey, so that functions stand out. */
const PLATFORM: Readonly<Record<string, string>> = {
  router: 'var(--part-router)',
  executor: 'var(--part-executor)',
  trigger: 'var(--part-trigger)',
};

/**
 * A colour for each service. The same name gets the same colour on every page, unless two names of one page would share it: then the
 * one that sorts later moves on to the next free hue.
 */
export function assignColors(services: Iterable<string>): ReadonlyMap<string, string> {
  const colors = new Map<string, string>();
  const taken = new Set<number>();
  for (const service of [...new Set(services)].sort()) {
    const platform = Object.hasOwn(PLATFORM, service) ? PLATFORM[service] : undefined;
    if (platform) {
      colors.set(service, platform);
      continue;
    }
    let hue = hash(service) % HUES;
    while (taken.has(hue) && taken.size < HUES) hue = (hue + 1) % HUES;
    taken.add(hue);
    colors.set(service, `var(--hue-${hue})`);
  }
  return colors;
}

/** FNV-1a */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
