import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { functionQuery, messagesQuery, whyQuery } from '../api/queries.ts';
import { sayTrouble } from './say-trouble.ts';
import type { TopicTrouble } from './topic-trouble.ts';
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
      : kind === 'errors' && detail.data && detail.data.errors.length > 1
        ? `mostly ${detail.data.errors[0]?.type}`
        : '';
  const { headline, counted } = sayTrouble(props.trouble, detail.data);
  return (
    <li className={`trouble trouble-${kind}`}>
      <Link
        to="/functions/$name"
        params={{ name: functionName }}
        className="trouble-name"
        title={functionName}
      >
        <bdi>{functionName}</bdi>
      </Link>
      <span className="trouble-said" title={said}>
        <strong>{headline}</strong> <span className="dim">{counted}</span>
        {said && <span className="dim trouble-cause">{said}</span>}
      </span>
      <span className="trouble-ways">
        {example && (
          <Link to="/trace/$traceId" params={{ traceId: example.traceId }} className="linkish">
            {QUESTIONS[kind]}
          </Link>
        )}
        {kind === 'errors' && (
          <Link to="/search" search={{ service: functionName, errors: true }} className="linkish">
            All failures
          </Link>
        )}
      </span>
    </li>
  );
}

/** Records that wait or were given up: a click from their topic, another from one of them. */
export function TopicTroubleRow(props: { readonly trouble: TopicTrouble; readonly lookbackMs: number }) {
  const { topic, kind, headline } = props.trouble;
  const state = kind === 'not taken' ? 'waiting' : 'failed';
  const records = useQuery({
    ...messagesQuery({ topic, state, lookbackMs: props.lookbackMs, limit: 1 }),
    enabled: kind === 'not taken',
  });
  const [example] = records.data?.messages ?? [];
  return (
    <li className={`trouble trouble-${kind === 'dead letters' ? 'letters' : 'queue'}`}>
      <Link to="/topics" search={{ topic }} className="trouble-name" title={topic}>
        <bdi>{topic}</bdi>
      </Link>
      <span className="trouble-said">
        <strong>{headline}</strong>
      </span>
      <span className="trouble-ways">
        {example && (
          <Link to="/flow/$traceId" params={{ traceId: example.traceId }} className="linkish">
            Follow one that waits
          </Link>
        )}
        <Link to="/topics" search={{ topic }} className="linkish">
          {kind === 'dead letters' ? 'Look at them' : 'Look at the topic'}
        </Link>
      </span>
    </li>
  );
}
