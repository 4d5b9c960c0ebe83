import { useQuery } from '@tanstack/react-query';
import { samplingQuery } from '../api/queries.ts';
import { formatCount, formatPercent } from '../text/number.ts';
import { sayKept } from './say-kept.ts';

/** For what a trace was kept and how many like it it stands for, among the facts about it; nothing where nothing was decided. */
export function TraceSampling({ traceId }: { readonly traceId: string }) {
  const { data } = useQuery(samplingQuery(traceId));
  if (!data?.decided || !data.kept) return null;
  const count = Math.round(data.adjustedCount * 10) / 10;
  return (
    <div>
      <dt>Sampling</dt>
      <dd
        title={`Tail sampling kept it; it stands for ${formatCount(count)} ${count === 1 ? 'trace' : 'traces'}.`}
      >
        {sayKept(data)}
      </dd>
    </div>
  );
}

/** Whether a trace that is not there was taken away on purpose. */
export function TakenAway({ traceId }: { readonly traceId: string }) {
  const { data } = useQuery(samplingQuery(traceId));
  if (!data?.decided || data.kept) return null;
  return (
    <p>
      Tail sampling took it away: of traces like it {formatPercent(data.probability)} are kept. The charts
      count them all.
    </p>
  );
}
