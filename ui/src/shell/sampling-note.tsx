import { useQuery } from '@tanstack/react-query';
import { samplingStatsQuery } from '../api/queries.ts';
import { formatCount, formatPercent } from '../text/number.ts';

/** That tail sampling took traces away, and how many; nothing where it did not. `about` says what that means for what is shown. */
export function SamplingNote(props: { readonly lookbackMs: number; readonly about: string }) {
  const { data } = useQuery(samplingStatsQuery(props.lookbackMs));
  if (!data || data.kept >= data.decided) return null;
  return (
    <span
      className="chip chip-sampled"
      title={`Tail sampling kept ${formatCount(data.kept)} of the ${formatCount(data.decided)} traces that it decided about in this time.`}
    >
      {formatPercent(data.kept / data.decided)} of traces kept: {props.about}
    </span>
  );
}
