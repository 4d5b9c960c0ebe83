import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { functionQuery, whyQuery } from '../api/queries.ts';
import { formatDuration } from '../text/duration.ts';
import { formatCount, formatPercent } from '../text/number.ts';
import { formatClock } from '../text/time.ts';
import type { Trouble } from './trouble.ts';

const QUESTIONS: Readonly<Record<Trouble['kind'], string>> = {
  errors: 'Why did the latest fail?',
  slow: 'Why is it slow?',
  cold: 'Where does a cold start take its time?',
};

/** Causes that are about how a cold start went. */
const COLD = /^(?:cold start|pool empty|waiting for capacity)/;

/** What is wrong with a function, with the verdict on its newest example, a click away from the whole of it. */
export function TroubleRow(props: {
  readonly trouble: Trouble;
  readonly lookbackMs: number;
  /** The verdict costs the server some work: only the first rows have it. */
  readonly hasVerdict: boolean;
}) {
  const { functionName, kind } = props.trouble;
  const detail = useQuery(functionQuery(functionName, props.lookbackMs));
  const example =
    kind === 'errors'
      ? detail.data?.failed[0]
      : kind === 'slow'
        ? detail.data?.slowest[0]
        : // Of one that failed, the failure would be told.
          detail.data?.slowest.find(({ coldStart, error }) => coldStart && !error);
  const why = useQuery({
    ...whyQuery(example?.traceId ?? '', 0),
    enabled: props.hasVerdict && example !== undefined,
    staleTime: 60_000,
  });
  const verdict = why.data?.causes[0];
  const said =
    verdict?.confident === true && !why.isPlaceholderData && (kind !== 'cold' || COLD.test(verdict.kind))
      ? verdict.title
      : kind === 'errors' && detail.data?.errors[0]
        ? `mostly ${detail.data.errors[0].type}`
        : '';
  return (
    <li className={`trouble trouble-${kind}`}>
      <Link to="/functions/$name" params={{ name: functionName }} className="trouble-name">
        {functionName}
      </Link>
      <span className="trouble-said">{sayTrouble(props.trouble)}</span>
      <span className="dim trouble-cause" title={said}>
        {said}
      </span>
      {example && (
        <Link to="/trace/$traceId" params={{ traceId: example.traceId }} className="linkish">
          {QUESTIONS[kind]}
        </Link>
      )}
      {kind === 'errors' && (
        <Link to="/search" search={{ service: functionName, errors: true }} className="linkish trouble-all">
          All failures
        </Link>
      )}
    </li>
  );
}

function sayTrouble(trouble: Trouble): string {
  const clock = (ms: number) => formatClock(ms).slice(0, 5);
  const since = trouble.sinceMs === undefined ? '' : ` since ${clock(trouble.sinceMs)}`;
  const until = trouble.untilMs === undefined ? '' : `, until ${clock(trouble.untilMs)}`;
  if (trouble.kind === 'errors')
    return `${formatPercent(trouble.size)} of its calls failed${since}${until}: ${formatCount(trouble.errors)} of ${formatCount(trouble.calls)}`;
  if (trouble.kind === 'slow')
    return `p99 is ${formatDuration(trouble.p99Nano)}${since}, ${trouble.size.toFixed(trouble.size < 10 ? 1 : 0)} times its usual`;
  return `${formatPercent(trouble.size)} of its calls started cold`;
}
