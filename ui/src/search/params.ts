/** The search as it stands in the URL. Everything has a default, so that a link may say as little as it likes. */
export interface SearchParams {
  readonly service: string;
  readonly operation: string;
  /** logfmt: `http.route=/greet error=true` */
  readonly tags: string;
  /** Durations such as 200ms; '' for none. */
  readonly min: string;
  readonly max: string;
  readonly errors: boolean;
  readonly lookbackMinutes: number;
  readonly limit: number;
}

export const DEFAULT_SEARCH: SearchParams = {
  service: '',
  operation: '',
  tags: '',
  min: '',
  max: '',
  errors: false,
  lookbackMinutes: 60,
  limit: 50,
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
  return {
    service: text('service'),
    operation: text('operation'),
    tags: text('tags'),
    min: text('min'),
    max: text('max'),
    errors: raw['errors'] === true || raw['errors'] === 'true',
    lookbackMinutes: number('lookback', 1, 60 * 24 * 365, DEFAULT_SEARCH.lookbackMinutes),
    limit: number('limit', 1, 1_500, DEFAULT_SEARCH.limit),
  };
}

/** For the URL: only what differs from the default. */
export function writeSearch(search: SearchParams): Record<string, string | number | boolean> {
  const { lookbackMinutes, ...rest } = search;
  const all = { ...rest, lookback: lookbackMinutes };
  const defaults: Record<string, unknown> = { ...DEFAULT_SEARCH, lookback: DEFAULT_SEARCH.lookbackMinutes };
  return Object.fromEntries(Object.entries(all).filter(([key, value]) => value !== defaults[key]));
}
