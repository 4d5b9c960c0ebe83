import { useEffect, useState } from 'react';
import { PLOT_HEIGHT } from './result-plot.tsx';
import { ResultColumns, ROW_HEIGHT } from './result-list.tsx';

const ROWS = 12;
/** A search that takes longer than this is worth an advice. */
const LONG_MS = 4_000;

/** Room for what is on its way, as large as that will be, so that nothing jumps when it comes. */
export function PendingResults({ failure }: { readonly failure: string | undefined }) {
  return (
    <>
      <div className="plot" aria-hidden="true">
        <div style={{ height: PLOT_HEIGHT }} />
      </div>
      <section className="results" aria-label="Traces found" aria-busy="true">
        <div className="results-head">
          <span role="status">
            Searching… {failure && <span className="error-text">{failure}, trying again</span>}
          </span>
        </div>
        <ResultColumns />
        <div className="result-scroll" aria-hidden="true">
          {Array.from({ length: ROWS }, (_, i) => (
            <div key={i} className="pending-row" style={{ height: ROW_HEIGHT }}>
              <i style={{ width: '72%' }} />
              <i style={{ width: `${34 + ((i * 37) % 30)}%` }} />
              <i />
            </div>
          ))}
        </div>
      </section>
    </>
  );
}

/** A line that moves while rows are looked for, and how long already. Keeps its room when it rests. */
export function SearchProgress({ isOn }: { readonly isOn: boolean }) {
  const elapsedMs = useElapsed(isOn);
  return (
    <div className={isOn ? 'progress is-on' : 'progress'} aria-hidden="true">
      <i />
      {isOn && elapsedMs >= 500 && (
        <span className="progress-told mono">
          {(elapsedMs / 1_000).toFixed(1)} s
          {elapsedMs >= LONG_MS && ' · a shorter time, a function or an operation make it faster'}
        </span>
      )}
    </div>
  );
}

const TICK_MS = 100;

/** ms since it was switched on, in steps; 0 while it is off. */
function useElapsed(isOn: boolean): number {
  const [elapsedMs, setElapsed] = useState(0);
  useEffect(() => {
    if (!isOn) return;
    const from = performance.now();
    const timer = setInterval(() => setElapsed(performance.now() - from), TICK_MS);
    return () => {
      clearInterval(timer);
      setElapsed(0);
    };
  }, [isOn]);
  return elapsedMs;
}
