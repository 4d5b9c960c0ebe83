import type { AccountJson } from '../../../backend/query/shapes.ts';
import { foldStages, stageColor } from '../layout/stages.ts';
import { formatDuration } from '../text/duration.ts';
import { SpanRef } from './why-panel.tsx';

const MOST_SHOWN = 7;

/** Where the time went, as one bar; its parts sum to the whole. */
export function AccountBar(props: { readonly account: AccountJson; readonly traceId: string }) {
  const { account } = props;
  const { shown, restNano, restShare } = foldStages(account.stages, MOST_SHOWN);
  return (
    <section className="account" aria-label="Where the time went">
      <div className="account-bar" aria-hidden="true">
        {shown.map((stage, i) => (
          <i
            key={i}
            style={{ flexGrow: stage.share, background: stageColor(stage.stage) }}
            title={`${stage.stage} ${stage.owner}: ${formatDuration(Number(stage.nano))}`}
          />
        ))}
        {restShare > 0 && <i style={{ flexGrow: restShare, background: stageColor('unknown') }} />}
      </div>
      <ol className="account-legend">
        <li className="dim">Where {formatDuration(Number(account.wallNano))} went</li>
        {shown.map((stage, i) => {
          const text = (
            <>
              <i style={{ background: stageColor(stage.stage) }} />
              {stage.stage} <span className="dim">{stage.owner}</span>
              <span className="mono">{formatDuration(Number(stage.nano))}</span>
              <span className="mono dim">{percent(stage.share)}</span>
            </>
          );
          const [span] = stage.spans;
          return (
            <li key={i}>
              {span ? (
                <SpanRef {...props} to={span} className="account-item">
                  {text}
                </SpanRef>
              ) : (
                <span className="account-item">{text}</span>
              )}
            </li>
          );
        })}
        {restShare > 0 && (
          <li>
            <span className="account-item">
              <i style={{ background: stageColor('unknown') }} />
              {account.stages.length - MOST_SHOWN} others
              <span className="mono">{formatDuration(restNano)}</span>
              <span className="mono dim">{percent(restShare)}</span>
            </span>
          </li>
        )}
      </ol>
    </section>
  );
}

function percent(share: number): string {
  return share < 0.001 ? '<0.1 %' : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}
