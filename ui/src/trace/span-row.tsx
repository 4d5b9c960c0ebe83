import { type CSSProperties, memo } from 'react';
import type { Gap, Warp } from '../layout/gaps.ts';
import { labelSide, place, type Placed, type Range } from '../layout/range.ts';
import type { Span } from '../model/trace.ts';
import { formatDuration } from '../text/duration.ts';
import { showName } from '../text/name.ts';

const INDENT = 14;
/** Beyond this the indentation would push names out of sight; the depth is then written. */
const MAX_INDENT_DEPTH = 24;
/** Room a duration needs beside its bar, as a share of the width. */
const LABEL_FRACTION = 0.09;
const WAIT_LABEL_FRACTION = 0.2;

export const SpanRow = memo(function SpanRow(props: {
  readonly span: Span;
  readonly top: number;
  readonly height: number;
  readonly index: number;
  readonly range: Range;
  readonly warp: Warp;
  /** What of it is on the critical path; `undefined` while the path is not drawn. */
  readonly critical: readonly Gap[] | undefined;
  readonly isMatch: boolean;
  /** Spans elsewhere that link to it. */
  readonly consumerCount: number;
  readonly color: string | undefined;
  /** Where it differs from the row's parent; the coloured mark says it everywhere. */
  readonly showsService: boolean;
  readonly isClosed: boolean;
  /** More of the trace may come. */
  readonly isYoung: boolean;
  readonly isSelected: boolean;
  readonly isFocused: boolean;
  readonly onToggle: (span: Span) => void;
  readonly onSelect: (id: string) => void;
}) {
  const { span, isClosed } = props;
  const classes = [
    'wf-row',
    props.isSelected && 'is-selected',
    props.isFocused && 'is-focused',
    span.isError && 'is-error',
    span.marks.isPhase && 'is-phase',
    props.isMatch && 'is-match',
    props.critical?.length === 0 && 'is-aside',
  ];
  const style = { top: props.top, height: props.height, '--svc': props.color } as CSSProperties;
  return (
    <div
      id={`span-${span.id}`}
      role="row"
      aria-level={span.depth + 1}
      aria-rowindex={props.index + 1}
      aria-selected={props.isSelected}
      aria-expanded={span.descendants > 0 ? !isClosed : undefined}
      className={classes.filter(Boolean).join(' ')}
      style={style}
      onClick={() => props.onSelect(span.id)}
    >
      <SpanName
        span={span}
        consumerCount={props.consumerCount}
        showsService={props.showsService}
        isClosed={isClosed}
        isYoung={props.isYoung}
        onToggle={props.onToggle}
      />
      <div role="gridcell" className="wf-time">
        <Bar span={span} range={props.range} warp={props.warp} critical={props.critical} />
      </div>
    </div>
  );
});

/** The row's left half, which a zoom does not touch. */
const SpanName = memo(function SpanName(props: {
  readonly span: Span;
  readonly consumerCount: number;
  readonly showsService: boolean;
  readonly isClosed: boolean;
  readonly isYoung: boolean;
  readonly onToggle: (span: Span) => void;
}) {
  const { span, isClosed } = props;
  const depth = Math.min(span.depth, MAX_INDENT_DEPTH);
  return (
    <div role="gridcell" className="wf-name">
      <span className="wf-indent" style={{ width: depth * INDENT }} />
      {span.descendants > 0 ? (
        <button
          type="button"
          tabIndex={-1}
          className={isClosed ? 'twist is-closed' : 'twist'}
          aria-label={isClosed ? `Show the ${span.descendants} spans below` : 'Hide the spans below'}
          onClick={(event) => {
            event.stopPropagation();
            props.onToggle(span);
          }}
        >
          <svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
            <path d="M2 3.2 5 6.8 8 3.2" fill="none" stroke="currentColor" strokeWidth="1.5" />
          </svg>
        </button>
      ) : (
        <span className="twist" />
      )}
      <i className="wf-service-mark" />
      {props.showsService && <span className="wf-service">{span.service}</span>}
      <span className="wf-op" title={span.name}>
        {showName(span.name)}
      </span>
      {isClosed && <span className="mono dim wf-hidden">+{span.descendants}</span>}
      {isClosed && span.errorsBelow > 0 && (
        <span className="chip chip-hidden-errors">
          {span.errorsBelow} {span.errorsBelow === 1 ? 'error' : 'errors'} below
        </span>
      )}
      <Chips span={span} consumerCount={props.consumerCount} isYoung={props.isYoung} />
    </div>
  );
});

function Chips(props: { readonly span: Span; readonly consumerCount: number; readonly isYoung: boolean }) {
  const { span, consumerCount } = props;
  const { marks } = span;
  return (
    <>
      {marks.killedBy !== '' && <span className="chip chip-killed">{marks.killedBy}</span>}
      {span.isError && marks.killedBy === '' && (
        <span className="chip chip-error" title={span.source.status.message}>
          !<span className="sr">error</span>
        </span>
      )}
      {marks.attempt > 0 && <span className="chip">attempt {marks.attempt}</span>}
      {marks.isColdStart && <span className="chip chip-cold">cold</span>}
      {consumerCount > 0 && (
        <span className="chip" title="Spans of other traces link to this one; open it to follow them">
          consumed by {consumerCount}
        </span>
      )}
      {marks.endsBeforeStart && <span className="chip chip-warn">ends before it starts</span>}
      {span.isRing && <span className="chip chip-warn">its own ancestor</span>}
      {span.isOrphan && (
        <span className="chip chip-warn">{props.isYoung ? 'parent still open' : 'parent missing'}</span>
      )}
    </>
  );
}

function Bar(props: {
  readonly span: Span;
  readonly range: Range;
  readonly warp: Warp;
  readonly critical: readonly Gap[] | undefined;
}) {
  const { span, range, warp } = props;
  const { marks } = span;
  const between = (from: number, to: number) => place(warp.at(from), warp.at(to) - warp.at(from), range);
  const bar = between(span.start, span.start + span.duration);
  const waited = marks.queueWait || span.backOff;
  const wait = waited > 0 ? between(span.start - waited, span.start) : undefined;
  return (
    <>
      {wait && (
        <span
          className={marks.queueWait > 0 ? 'bar-wait' : 'bar-wait bar-backoff'}
          style={{ left: percent(wait.left), width: percent(wait.width) }}
          title={`${formatDuration(waited)} ${marks.queueWait > 0 ? 'in the queue' : 'after the try before'}`}
        />
      )}
      {bar && (
        <span
          className={marks.killedBy === '' ? 'bar' : 'bar bar-killed'}
          style={{ left: percent(bar.left), width: percent(bar.width) }}
        />
      )}
      {props.critical?.map((part) => {
        const stroke = between(part.from, part.to);
        return (
          stroke && (
            <span
              key={part.from}
              className="bar-critical"
              style={{ left: percent(stroke.left), width: percent(stroke.width) }}
            />
          )
        );
      })}
      {bar && <BarLabel span={span} bar={bar} from={wait?.left ?? bar.left} />}
    </>
  );
}

/** `from` is where the row's drawing starts: at its wait, if it has one. */
function BarLabel(props: { readonly span: Span; readonly bar: Placed; readonly from: number }) {
  const { span, bar, from } = props;
  const { queueWait } = span.marks;
  const room = queueWait > 0 || span.backOff > 0 ? WAIT_LABEL_FRACTION : LABEL_FRACTION;
  const side = labelSide({ left: from, width: bar.left + bar.width - from }, room);
  const style = {
    right: { left: percent(bar.left + bar.width) },
    left: { right: percent(1 - from) },
    inside: { left: percent(bar.left) },
  }[side];
  return (
    <span className={`bar-label bar-label-${side} mono`} style={style}>
      {formatDuration(span.duration)}
      {queueWait > 0 && <span className="bar-note"> · {formatDuration(queueWait)} queued</span>}
      {queueWait === 0 && span.backOff > 0 && (
        <span className="bar-note"> · {formatDuration(span.backOff)} back-off</span>
      )}
    </span>
  );
}

function percent(fraction: number): string {
  return `${fraction * 100}%`;
}
