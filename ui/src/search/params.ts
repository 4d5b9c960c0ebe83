/** The search as it stands in the URL. Everything has a default, so that a link may say as little as it likes. */
export interface SearchParams {
  readonly service: string;
  readonly operation: string;
  /** The language of `q`: `http.route:/greet AND (error OR duration>200ms)`. */
  readonly query: string;
  /** Durations such as 200ms; '' for none. */
  readonly min: string;
  readonly max: string;
  readonly errors: boolean;
  readonly lookbackMinutes: number;
  readonly limit: number;
  /** A fixed stretch of time instead of the last minutes, ms since 1970; 0 for none. */
  readonly fromMs: number;
  readonly toMs: number;
  /** In that stretch: traces with a span that matches there count, not only those that began in it. */
  readonly bySpan: boolean;
  /** New traces are shown as they come. */
  readonly live: boolean;
}

export const DEFAULT_SEARCH: SearchParams = {
  service: '',
  operation: '',
  query: '',
  min: '',
  max: '',
  errors: false,
  lookbackMinutes: 60,
  limit: 50,
  fromMs: 0,
  toMs: 0,
  bySpan: false,
  live: false,
};

export const LOOKBACKS: readonly { readonly value: string; readonly label: string }[] = [
  { value: '5', label: 'Last 5 minutes' },
  { value: '15', label: 'Last 15 minutes' },
  { value: '60', label: 'Last hour' },
  { value: '360', label: 'Last 6 hours' },
  { value: '1440', label: 'Last day' },
  { value: '2880', label: 'Last 2 days' },
  { value: '10080', label: 'Last 7 days' },
];

/** Whatever the URL says, as a search; what makes no sense falls back to the default. */
export function readSearch(raw: Readonly<Record<string, unknown>>): SearchParams {
  const text = (key: string) => {
    const value = raw[key];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  };
  const number = (key: string, least: number, most: number, otherwise: number) => {
    const value = Number(raw[key]);
    return Number.isInteger(value) && value >= least && value <= most ? value : otherwise;
  };
  const isOn = (value: unknown) => value === true || value === 'true';
  const fromMs = number('from', 1, 1e14, 0);
  const toMs = number('to', 1, 1e14, 0);
  const isRange = fromMs > 0 && toMs > fromMs;
  return {
    service: text('service'),
    operation: text('operation'),
    // Links made before there was a language say `tags`, which is a part of it.
    query: text('q') || text('tags'),
    min: text('min'),
    max: text('max'),
    errors: isOn(raw['errors']),
    lookbackMinutes: number('lookback', 1, 60 * 24 * 365, DEFAULT_SEARCH.lookbackMinutes),
    limit: number('limit', 1, 1_500, DEFAULT_SEARCH.limit),
    fromMs: isRange ? fromMs : 0,
    toMs: isRange ? toMs : 0,
    bySpan: isRange && isOn(raw['spans']),
    live: raw['live'] === 'true' && !isRange,
  };
}

/** For the URL: only what differs from the default. */
export function writeSearch(search: SearchParams): Record<string, string | number | boolean> {
  const named = ({ query, lookbackMinutes, fromMs, toMs, bySpan, ...rest }: SearchParams) => ({
    ...rest,
    spans: bySpan,
    q: query,
    lookback: lookbackMinutes,
    from: fromMs,
    to: toMs,
  });
  const all = named(search);
  const defaults: Record<string, unknown> = named(DEFAULT_SEARCH);
  return Object.fromEntries(Object.entries(all).filter(([key, value]) => value !== defaults[key]));
}
