import { useNavigate, useSearch } from '@tanstack/react-router';
import { Segments } from './segments.tsx';

/** How far back a page looks; it stands in the URL. */
export const LOOKBACKS = [
  { value: '15m', label: '15 min', ms: 15 * 60_000 },
  { value: '1h', label: '1 h', ms: 3_600_000 },
  { value: '6h', label: '6 h', ms: 6 * 3_600_000 },
  { value: '1d', label: '1 d', ms: 86_400_000 },
  { value: '7d', label: '7 d', ms: 7 * 86_400_000 },
] as const;

export type Lookback = (typeof LOOKBACKS)[number];

export interface LookbackSearch {
  readonly last?: string;
}

export function readLookback(raw: Readonly<Record<string, unknown>>): LookbackSearch {
  const known = LOOKBACKS.find(({ value }) => value === raw['last']);
  return known ? { last: known.value } : {};
}

export function useLookback(): Lookback {
  const { last } = useSearch({ strict: false }) as LookbackSearch;
  return LOOKBACKS.find(({ value }) => value === last) ?? LOOKBACKS[1];
}

export function LookbackPicker() {
  const lookback = useLookback();
  const navigate = useNavigate();
  return (
    <Segments
      label="How far back"
      options={LOOKBACKS}
      value={lookback.value}
      onChange={(last) =>
        void navigate({
          to: '.',
          search: (before: Record<string, unknown>) => ({
            ...before,
            last: last === '1h' ? undefined : last,
          }),
          replace: true,
        })
      }
    />
  );
}
