import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { type CSSProperties, useMemo } from 'react';
import type { FlowJson } from '../../../backend/query/shapes.ts';
import { flowQuery, platformQuery, whyQuery } from '../api/queries.ts';
import { assignColors } from '../layout/colors.ts';
import { PageError } from '../shell/notice.tsx';
import { useTitle } from '../shell/use-title.ts';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { keepDirection } from '../text/name.ts';
import { formatClock } from '../text/time.ts';
import { answerOf } from './answer.ts';
import './flow.css';
import { useRoom } from '../layout/use-room.ts';
import { layOutJourney, type PlacedStep, STEP_WIDTH } from './journey-layout.ts';
import { type Journey, journeyOf, type Step, type Try, type Way } from './journey.ts';

/** A flow of this many is asked for again at little cost. */
const FEW_SPANS = 2_000;

/** The whole way of an event over calls, records and tries, whatever traces it is told in. */
export function FlowPage() {
  const { traceId } = useParams({ from: '/flow/$traceId' });
  const flow = useQuery({
    ...flowQuery(traceId),
    // What is settled may go on: dead letters are sent back.
    refetchInterval: ({ state: { data } }) =>
      data?.settled === false ? 3_000 : data && data.spanCount <= FEW_SPANS ? 10_000 : false,
  });
  if (flow.isError && !flow.data)
    return (
      <PageError
        title="This journey cannot be shown"
        error={flow.error}
        onRetry={() => void flow.refetch()}
      />
    );
  if (!flow.data || flow.isPlaceholderData)
    return (
      <p className="waiting" role="status">
        Following the journey…
      </p>
    );
  return <FlowView flow={flow.data} />;
}

function FlowView({ flow }: { readonly flow: FlowJson }) {
  const journey = useMemo(() => journeyOf(flow), [flow]);
  const colors = useMemo(
    () => assignColors(journey.steps.filter(({ kind }) => kind !== 'record').map(({ title }) => title)),
    [journey],
  );
  const platform = useQuery(platformQuery());
  const errorTopics = useMemo(
    () =>
      new Set(
        platform.data?.triggers.flatMap((trigger) =>
          trigger.kind === 'queue' && trigger.errorTopic !== '' ? [trigger.errorTopic] : [],
        ),
      ),
    [platform.data],
  );
  const [first] = journey.steps;
  useTitle(`Journey of ${first?.title ?? 'nothing'}`);
  return (
    <div className="page scrolls">
      <header className="page-head">
        <h1>Journey of {first?.title ?? 'nothing'}</h1>
        <span className="mono dim">{formatClock(Number(BigInt(flow.startUnixNano) / 1_000_000n))}</span>
        <span>
          <span className="mono">{formatDuration(Number(flow.durationNano))}</span> end to end
        </span>
        <span className="dim">
          {flow.traceIds.length} {flow.traceIds.length === 1 ? 'trace' : 'traces'}, {flow.spanCount} spans
        </span>
        {flow.errorSpanCount > 0 && (
          <span className="error-text">
            {flow.errorSpanCount} {flow.errorSpanCount === 1 ? 'error' : 'errors'}
          </span>
        )}
        {!flow.settled && <span className="chip chip-warn">not over yet</span>}
        {flow.truncated && <span className="chip chip-warn">too large: a part is left out</span>}
        <span className="spacer" />
        <Link to="/trace/$traceId" params={{ traceId: flow.traceId }} className="linkish">
          Waterfall
        </Link>
      </header>
      <Answer journey={journey} flow={flow} errorTopics={errorTopics} />
      <Picture journey={journey} colors={colors} errorTopics={errorTopics} />
      <section className="home-section" aria-labelledby="steps">
        <h2 id="steps">Step by step</h2>
        <Steps journey={journey} startUnixNano={BigInt(flow.startUnixNano)} errorTopics={errorTopics} />
      </section>
    </div>
  );
}

/** What became of it, before how: whoever was woken up reads no further than they must. */
function Answer(props: {
  readonly journey: Journey;
  readonly flow: FlowJson;
  readonly errorTopics: ReadonlySet<string>;
}) {
  const { flow } = props;
  const why = useQuery({
    ...whyQuery(flow.traceId, flow.spanCount),
    enabled: flow.spanCount <= FEW_SPANS,
  });
  const answer = answerOf(props.journey, flow, props.errorTopics, Date.now(), why.data?.outcome);
  const [cause] = why.data?.causes ?? [];
  return (
    <section className={`answer answer-${answer.tone}`} aria-label="What became of it">
      <p className="answer-line">
        <strong>{answer.outcome}</strong> <span>{keepDirection(answer.text)}</span>
      </p>
      {cause?.confident && (
        <p className="answer-line">
          <span className="dim">{answer.tone === 'healthy' ? 'What stands out:' : 'Because'}</span>{' '}
          <span>{keepDirection(cause.title)}</span>
        </p>
      )}
      <p className="answer-ways">
        {answer.span && (
          <Link
            to="/trace/$traceId"
            params={{ traceId: answer.span.traceId }}
            search={{ span: answer.span.spanId }}
            className="linkish"
          >
            {answer.tone === 'failed' ? 'Open what failed' : 'Open the record'}
          </Link>
        )}
        {answer.deadLetterTopic !== '' && (
          <Link to="/topics" search={{ topic: answer.deadLetterTopic }} className="linkish">
            Send it back…
          </Link>
        )}
        {cause && (
          <Link to="/trace/$traceId" params={{ traceId: flow.traceId }} className="linkish">
            Why, with evidence
          </Link>
        )}
      </p>
    </section>
  );
}

function Picture(props: {
  readonly journey: Journey;
  readonly colors: ReadonlyMap<string, string>;
  readonly errorTopics: ReadonlySet<string>;
}) {
  const { journey, colors, errorTopics } = props;
  const wentOn = new Set(journey.steps.map(({ causeId }) => causeId));
  const [picture, room] = useRoom<HTMLDivElement>();
  const layout = useMemo(() => layOutJourney(journey.steps, journey.ways, room), [journey, room]);
  return (
    <div ref={picture} className="journey" tabIndex={0} role="region" aria-label="Picture of the journey">
      <div className="journey-canvas" style={{ width: layout.width, height: layout.height }}>
        <svg width={layout.width} height={layout.height} aria-hidden="true">
          {layout.ways.map(({ way, path }) => (
            <path
              key={`${way.from} ${way.to}`}
              d={path}
              className={`way ${way.isMessage ? 'way-message' : ''} ${way.isError ? 'way-error' : ''}`}
            />
          ))}
        </svg>
        {layout.ways.map(({ way, labelX, labelY }) => (
          <WayLabel key={`${way.from} ${way.to}`} way={way} x={labelX} y={labelY} />
        ))}
        {layout.steps.map((placed) => (
          <StepBox
            key={placed.step.id}
            placed={placed}
            color={colors.get(placed.step.title)}
            isDeadLetter={
              placed.step.kind === 'record' &&
              errorTopics.has(placed.step.title) &&
              !wentOn.has(placed.step.id)
            }
          />
        ))}
      </div>
    </div>
  );
}

function WayLabel({ way, x, y }: { readonly way: Way; readonly x: number; readonly y: number }) {
  if (way.waitNanos === undefined) return null;
  return (
    <span
      className="way-label mono"
      style={{ left: x, top: y }}
      title={way.hasClockSkew ? 'The clocks of the two machines disagree' : 'Between sending and receipt'}
    >
      {way.hasClockSkew ? 'clocks' : way.waitNanos === 0 ? 'at once' : formatDuration(way.waitNanos)}
    </span>
  );
}

const MOST_TRIES = 5;

function StepBox(props: {
  readonly placed: PlacedStep;
  readonly color: string | undefined;
  /** It was given up, and nothing has sent it back. */
  readonly isDeadLetter: boolean;
}) {
  const { placed, color } = props;
  const { step } = placed;
  const style = {
    left: placed.x,
    top: placed.y,
    width: STEP_WIDTH,
    height: placed.height,
    '--svc': color,
  } as CSSProperties;
  return (
    <div className={`step step-${step.kind} ${step.isError ? 'step-error' : ''}`} style={style}>
      <Link
        to="/trace/$traceId"
        params={{ traceId: step.span.traceId }}
        search={{ span: (step.tries.at(-1) ?? step).span.spanId }}
        className="step-head"
      >
        <span className="step-title">
          <bdi>{step.title}</bdi>
          {step.isCold && <span className="chip chip-cold">cold</span>}
        </span>
        <span className="step-note mono dim">
          {step.note === ''
            ? KINDS[step.kind]
            : step.kind === 'record'
              ? `record ${step.note}`
              : step.kind === 'outcome'
                ? `${step.note} of the batch`
                : step.note}
        </span>
      </Link>
      {step.kind !== 'record' && (
        <span className="step-time mono">
          {formatDuration(Number(step.endUnixNano - step.startUnixNano))}
        </span>
      )}
      {step.waitingFor.length > 0 && (
        <span className="chip chip-warn step-waiting">
          waits for {step.waitingFor.join(', ') || 'a group'}
        </span>
      )}
      {props.isDeadLetter && (
        <Link
          to="/topics"
          search={{ topic: step.title }}
          className="chip chip-warn step-waiting step-dead"
          title="Look at its dead letters, and send them back"
        >
          dead letter: redrive…
        </Link>
      )}
      {step.tries.length > 1 && (
        <ol className="tries">
          {step.tries.slice(0, MOST_TRIES).map((each, i) => (
            <li key={i}>
              <TryLink each={each} number={i + 1} />
            </li>
          ))}
        </ol>
      )}
      {placed.moreAlike > 0 && <span className="step-more dim">and {placed.moreAlike} more like it</span>}
    </div>
  );
}

const KINDS: Readonly<Record<Step['kind'], string>> = {
  entry: 'request',
  function: 'function',
  record: 'record',
  service: 'service',
  outcome: 'in the batch',
};

function TryLink({ each, number }: { readonly each: Try; readonly number: number }) {
  return (
    <Link
      to="/trace/$traceId"
      params={{ traceId: each.span.traceId }}
      search={{ span: each.span.spanId }}
      className={each.isError ? 'try try-error' : 'try'}
      title={each.reason}
    >
      <span className="mono">{number}</span>
      <span className="try-reason">{each.isError ? each.reason || 'failed' : 'done'}</span>
      <span className="mono">{formatDuration(each.durationNanos)}</span>
    </Link>
  );
}

function Steps(props: {
  readonly journey: Journey;
  readonly startUnixNano: bigint;
  readonly errorTopics: ReadonlySet<string>;
}) {
  const { journey, startUnixNano, errorTopics } = props;
  const wentOn = new Set(journey.steps.map(({ causeId }) => causeId));
  const waits = new Map(journey.ways.map((way) => [way.to, way.waitNanos]));
  const columns: readonly Column<Step>[] = [
    {
      key: 'at',
      title: 'After',
      width: '84px',
      isNumber: true,
      sortBy: (step) => Number(step.startUnixNano - startUnixNano),
      render: (step) => formatDuration(Number(step.startUnixNano - startUnixNano)),
    },
    {
      key: 'title',
      title: 'Step',
      width: 'minmax(140px, 1fr)',
      render: (step) => (
        <Link
          to="/trace/$traceId"
          params={{ traceId: step.span.traceId }}
          search={{ span: step.span.spanId }}
          className="linkish linkish-plain"
        >
          <span className="dim">{KINDS[step.kind]}</span> <b className="op">{step.title}</b>{' '}
          <span className="mono dim">{step.note}</span>
        </Link>
      ),
    },
    {
      key: 'result',
      title: 'Result',
      width: 'minmax(140px, 1fr)',
      render: (step) => {
        const failed = step.tries.filter(({ isError }) => isError);
        if (step.isError) return <span className="error-text">{failed.at(-1)?.reason || 'failed'}</span>;
        if (step.kind === 'record' && errorTopics.has(step.title))
          return wentOn.has(step.id) ? (
            <span className="dim">dead letter, sent back</span>
          ) : (
            <span className="error-text">dead letter</span>
          );
        if (step.waitingFor.length > 0) return <span>waits for {step.waitingFor.join(', ')}</span>;
        return (
          <span className="dim">{failed.length > 0 ? `done after ${failed.length + 1} tries` : 'done'}</span>
        );
      },
    },
    {
      key: 'tries',
      title: 'Tries',
      width: '54px',
      isNumber: true,
      isExtra: true,
      render: (step) => (step.tries.length > 1 ? step.tries.length : <span className="dim">·</span>),
    },
    {
      key: 'wait',
      title: 'Waited',
      width: '84px',
      isNumber: true,
      sortBy: (step) => waits.get(step.id) ?? -1,
      render: (step) => {
        const wait = waits.get(step.id);
        if (wait === undefined) return <span className="dim">·</span>;
        return wait === 0 ? 'at once' : formatDuration(wait);
      },
    },
    {
      key: 'took',
      title: 'Took',
      width: '84px',
      isNumber: true,
      sortBy: (step) => Number(step.endUnixNano - step.startUnixNano),
      render: (step) => formatDuration(Number(step.endUnixNano - step.startUnixNano)),
    },
  ];
  return (
    <Table
      label="Steps"
      columns={columns}
      rows={journey.steps}
      rowKey={(step) => step.id}
      rowHeight={28}
      sort={{ key: 'at', isUp: true }}
    />
  );
}
