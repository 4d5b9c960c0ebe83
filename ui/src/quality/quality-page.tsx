import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { SpanRefJson } from '../../../backend/query/shapes.ts';
import { qualityQuery } from '../api/queries.ts';
import { LookbackPicker, useLookback } from '../shell/lookback.tsx';
import { PageError } from '../shell/notice.tsx';
import { SamplingNote } from '../shell/sampling-note.tsx';
import { useTitle } from '../shell/use-title.ts';
import { formatCount, formatPercent } from '../text/number.ts';
import './quality.css';

/** What is wrong with the traces themselves, the worst first, each with how to mend it and where to see it. */
export function QualityPage() {
  const lookback = useLookback();
  useTitle('Quality');
  const quality = useQuery(qualityQuery(lookback.ms));
  return (
    <div className="page scrolls">
      <header className="page-head">
        <h1>Quality</h1>
        {quality.data && (
          <span className="dim">
            of {formatCount(quality.data.traceCount)} traces with {formatCount(quality.data.spanCount)} spans
          </span>
        )}
        <SamplingNote lookbackMs={lookback.ms} about="findings are of those" />
        <span className="spacer" />
        <LookbackPicker />
      </header>
      {quality.isError && !quality.data ? (
        <PageError
          title="Nothing is known of it"
          error={quality.error}
          onRetry={() => void quality.refetch()}
        />
      ) : !quality.data ? (
        <p className="waiting" role="status">
          Looking…
        </p>
      ) : quality.data.findings.length === 0 ? (
        <section className="notice">
          <h2>{quality.data.traceCount === 0 ? 'No trace in this time' : 'The traces are whole'}</h2>
          <p>
            {quality.data.traceCount === 0
              ? 'Look further back, or send a request.'
              : 'No parent is missing, no link leads nowhere, the clocks agree.'}
          </p>
        </section>
      ) : (
        <ol className="findings">
          {quality.data.findings.map((finding) => (
            <li key={`${finding.kind} ${finding.subject}`}>
              <div className="finding-size">
                <b className="mono">{formatPercent(finding.share)}</b>
                <span className="mono dim">{formatCount(finding.count)}</span>
              </div>
              <div>
                <h2>
                  {finding.kind} <bdi className="mono dim">{finding.subject}</bdi>
                </h2>
                <p>{finding.hint}</p>
              </div>
              <p className="finding-examples">
                {onePerTrace(finding.examples).map((example, i) => (
                  <Link
                    key={i}
                    to="/trace/$traceId"
                    params={{ traceId: example.traceId }}
                    search={example.spanId === '' ? {} : { span: example.spanId }}
                    className="linkish mono"
                  >
                    {example.traceId.slice(0, 8)}
                  </Link>
                ))}
              </p>
            </li>
          ))}
        </ol>
      )}
    </div>
  );
}

const MOST_EXAMPLES = 3;

function onePerTrace(examples: readonly SpanRefJson[]): readonly SpanRefJson[] {
  const byTrace = new Map(examples.toReversed().map((example) => [example.traceId, example]));
  return [...byTrace.values()].toReversed().slice(0, MOST_EXAMPLES);
}
