import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import type { CauseJson, SpanRefJson, TwinJson, WhyJson } from '../../../backend/query/shapes.ts';
import { formatDuration } from '../text/duration.ts';
import { keepDirection } from '../text/name.ts';

const OUTCOMES: Readonly<Record<WhyJson['outcome'], string>> = {
  failed: 'Failed',
  slow: 'Slow',
  healthy: 'Healthy',
  open: 'Still open',
};
const MOST_DIFFERENCES = 4;

/** The verdict: what happened and why, each sentence resting on spans that a click opens. */
export function WhyPanel(props: { readonly why: WhyJson; readonly traceId: string }) {
  const { why } = props;
  const [cause, ...others] = why.causes;
  // A cause that is named is told at once, also of a run that ended well: it may have been slow. A click decides from then on.
  const [chosen, setChosen] = useState<boolean>();
  const isOpen = chosen ?? (why.outcome !== 'healthy' || why.determined);
  const hasMore = cause !== undefined || why.twin !== null;
  return (
    <section className={`why why-${why.outcome}`} aria-label="Why">
      <p className="why-line">
        <strong className="why-outcome">{OUTCOMES[why.outcome]}</strong>
        <span className="why-summary">{keepDirection(why.summary)}</span>
        {!why.determined && why.notDetermined !== '' && <span className="dim">{why.notDetermined}</span>}
        {!why.settled && <span className="chip">still arriving</span>}
        <span className="spacer" />
        {hasMore && (
          <button type="button" className="linkish" aria-expanded={isOpen} onClick={() => setChosen(!isOpen)}>
            {isOpen ? 'Less' : 'More'}
          </button>
        )}
      </p>
      {isOpen && hasMore && (
        <div className="why-body">
          <div className="why-causes">
            {cause && <Cause cause={cause} {...props} isFirst />}
            {others.length > 0 && (
              <details className="why-others">
                <summary>
                  {others.length === 1
                    ? 'One other cause is possible'
                    : `${others.length} other causes are possible`}
                </summary>
                {others.map((other, i) => (
                  <Cause key={i} cause={other} {...props} />
                ))}
              </details>
            )}
          </div>
          {cause && cause.next.length > 0 && (
            <div className="why-side">
              <h3>Try next</h3>
              <ul>
                {cause.next.map((advice) => (
                  <li key={advice}>{keepDirection(advice)}</li>
                ))}
              </ul>
            </div>
          )}
          {why.twin && (
            <div className="why-side">
              <Twin twin={why.twin} traceId={props.traceId} />
            </div>
          )}
        </div>
      )}
    </section>
  );
}

function Cause(props: { readonly cause: CauseJson; readonly traceId: string; readonly isFirst?: boolean }) {
  const { cause } = props;
  return (
    <article className="why-cause">
      <h3 className={props.isFirst ? 'why-title' : 'why-title why-title-other'}>
        {keepDirection(cause.title)}
        <span className="chip" title="How sure, of all that this trace could mean">
          {cause.confident ? '' : 'perhaps · '}
          {Math.round(cause.score * 100)} %
        </span>
      </h3>
      <ol className="why-sentences">
        {cause.sentences.map((sentence, i) => (
          <li key={i}>
            <Sentence text={keepDirection(sentence.text)} spans={sentence.spans} {...props} />
          </li>
        ))}
      </ol>
    </article>
  );
}

/** The text is the link to its first span; the others follow as numbers. */
function Sentence(props: {
  readonly text: string;
  readonly spans: readonly SpanRefJson[];
  readonly traceId: string;
}) {
  const [first, ...rest] = props.spans;
  if (!first) return <>{props.text}</>;
  return (
    <>
      <SpanRef {...props} to={first} className="why-sentence">
        {props.text}
      </SpanRef>
      {rest.slice(0, 8).map((to, i) => (
        <SpanRef
          key={i}
          {...props}
          to={to}
          className="why-more mono"
          label={`Span ${i + 2} of this sentence`}
        >
          {i + 2}
        </SpanRef>
      ))}
    </>
  );
}

/** The way to a span: in place when it is of this trace, whose view stays as it is. */
export function SpanRef(props: {
  readonly to: SpanRefJson;
  readonly traceId: string;
  readonly className: string;
  readonly label?: string;
  readonly children: ReactNode;
}) {
  const { to } = props;
  const isHere = to.traceId === props.traceId;
  return (
    <Link
      to="/trace/$traceId"
      params={{ traceId: to.traceId }}
      search={(before) => ({ ...(isHere ? before : {}), span: to.spanId })}
      replace={isHere}
      className={props.className}
      aria-label={props.label}
    >
      {props.children}
    </Link>
  );
}

function Twin({ twin, traceId }: { readonly twin: TwinJson; readonly traceId: string }) {
  return (
    <>
      <h3>
        Beside a healthy run{' '}
        <Link to="/compare" search={{ a: twin.traceId, b: traceId }} className="linkish">
          compare
        </Link>
      </h3>
      <ul className="why-twin mono">
        <li className="dim">
          <span>whole</span>
          <span>{formatDuration(Number(twin.wallNano))}</span>
        </li>
        {twin.differences.slice(0, MOST_DIFFERENCES).map((difference, i) => (
          <li key={i}>
            <span>
              {difference.stage} <span className="dim">{difference.owner}</span>
            </span>
            <span className={Number(difference.deltaNano) > 0 ? 'error-text' : ''}>
              {Number(difference.deltaNano) > 0 ? '+' : ''}
              {formatDuration(Number(difference.deltaNano))}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
