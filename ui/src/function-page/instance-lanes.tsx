import { useMemo } from 'react';
import type { FunctionGroupJson, InstanceJson } from '../../../backend/query/shapes.ts';
import { assignColors } from '../layout/colors.ts';
import { formatDuration } from '../text/duration.ts';
import { formatCount } from '../text/number.ts';
import { formatClock } from '../text/time.ts';
import { layOutLanes } from './lanes.ts';

const MOST_LANES = 14;
const WIDTH = 1_000;
const HEIGHT = 26;

/** Which instance served when, by version: how many there were at once, which died and were replaced. */
export function InstanceLanes(props: {
  readonly instances: readonly FunctionGroupJson[];
  /** What holds the function now; undefined when nobody knows. */
  readonly running: readonly InstanceJson[] | undefined;
}) {
  const { lanes, fromMs, toMs, mostAtOnce, atOnce } = useMemo(
    () => layOutLanes(props.instances),
    [props.instances],
  );
  const running = new Map(props.running?.map((instance) => [instance.id, instance]));
  const colors = useMemo(
    () => assignColors(props.instances.map(({ version }) => version)),
    [props.instances],
  );
  return (
    <section className="outlying" aria-label="Instances over time">
      <h2>
        Instances over time
        <span className="dim section-note">
          {formatCount(lanes.length)} served, at most {mostAtOnce} at once
          {props.running && `, ${running.size} running now`}
        </span>
      </h2>
      <div className="lane-count" aria-hidden="true">
        <span className="dim">at once</span>
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none">
          <path d={areaOf(atOnce, mostAtOnce)} />
        </svg>
        <span className="mono dim">{mostAtOnce}</span>
      </div>
      <ol className="lanes">
        {lanes.slice(0, MOST_LANES).map(({ instance, left, width }) => {
          const now = running.get(instance.value);
          return (
            <li key={instance.value}>
              <span className="mono lane-name" title={instance.value}>
                {instance.value || '(none)'}
              </span>
              <span className="lane-track" aria-hidden="true">
                <i
                  style={{
                    left: `${left * 100}%`,
                    width: `max(4px, ${width * 100}%)`,
                    background: colors.get(instance.version),
                  }}
                />
              </span>
              <span className="lane-facts">
                <span className="mono dim">v{instance.version}</span>
                <span className="mono">
                  {formatCount(instance.invocations)} {instance.invocations === 1 ? 'call' : 'calls'}
                </span>
                {instance.errors > 0 && <span className="error-text">{instance.errors} failed</span>}
                <span className="dim">p99 {formatDuration(Number(instance.p99Nano))}</span>
                {now && (
                  <span className="chip chip-live">
                    {now.active > 0 ? `serves ${now.active}` : now.state}
                  </span>
                )}
              </span>
            </li>
          );
        })}
      </ol>
      <div className="lane-times mono dim" aria-hidden="true">
        <span>{formatClock(fromMs).slice(0, 8)}</span>
        <span>{formatClock(toMs).slice(0, 8)}</span>
      </div>
      {lanes.length > MOST_LANES && (
        <p className="note dim">and {formatCount(lanes.length - MOST_LANES)} more</p>
      )}
    </section>
  );
}

/** Steps up and down, filled. */
function areaOf(atOnce: readonly { readonly at: number; readonly count: number }[], most: number): string {
  let path = `M0 ${HEIGHT}`;
  for (const { at, count } of atOnce)
    path += `H${(at * WIDTH).toFixed(1)}V${(HEIGHT * (1 - count / most)).toFixed(1)}`;
  return `${path}V${HEIGHT}z`;
}
