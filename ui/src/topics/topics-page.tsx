import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useMemo } from 'react';
import type { MessageJson } from '../../../backend/query/shapes.ts';
import { messagesQuery, platformQuery, redQuery, topicsQuery } from '../api/queries.ts';
import { BarSpark } from '../chart/sparkline.tsx';
import '../chart/chart.css';
import { LookbackPicker, useLookback } from '../shell/lookback.tsx';
import { PageError } from '../shell/notice.tsx';
import { SamplingNote } from '../shell/sampling-note.tsx';
import { useTitle } from '../shell/use-title.ts';
import { Segments } from '../shell/segments.tsx';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { formatCount, formatRate } from '../text/number.ts';
import { formatClock } from '../text/time.ts';
import { RecordContent } from './record-content.tsx';
import { TopicDetail } from './topic-detail.tsx';
import { type TopicRow, topicRows } from './topic-rows.ts';
import { readPlace, type TopicsSearch } from './topics-search.ts';
import './topics.css';

const LIMIT = 300;
const STATES = [
  { value: '', label: 'all' },
  { value: 'consumed', label: 'consumed' },
  { value: 'waiting', label: 'waiting' },
  { value: 'failed', label: 'failed' },
] as const;

/** Topics and their newest records: who sent each, who took it, how it ended. One record is found by its place or key. */
export function TopicsPage() {
  const search = useSearch({ from: '/topics' });
  const navigate = useNavigate({ from: '/topics' });
  const lookback = useLookback();
  useTitle(search.topic || 'Topics');
  const all = useQuery(messagesQuery({ limit: LIMIT, lookbackMs: lookback.ms }));
  const red = useQuery(redQuery(lookback.ms, 'producer'));
  const topics = useQuery(topicsQuery(lookback.ms));
  const platform = useQuery(platformQuery());
  const place = readPlace(search.open);
  const isFiltered = (['topic', 'partition', 'offset', 'key', 'state'] as const).some((key) => search[key]);
  const filtered = useQuery({
    ...messagesQuery({ ...search, limit: LIMIT, lookbackMs: lookback.ms }),
    enabled: isFiltered,
  });
  const found = isFiltered ? filtered : all;
  const rows = useMemo(
    () => topicRows(all.data?.messages ?? [], red.data, platform.data ?? undefined),
    [all.data, red.data, platform.data],
  );
  const change = (next: TopicsSearch) =>
    void navigate({ search: (before) => ({ ...before, ...next }), replace: true });
  const lookUp = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => {
      const value = form.get(name);
      return typeof value === 'string' ? value.trim() : '';
    };
    change({ partition: text('partition'), offset: text('offset'), key: text('key') });
  };

  if (all.isError && !all.data)
    return (
      <PageError title="The records cannot be had" error={all.error} onRetry={() => void all.refetch()} />
    );
  return (
    <div className="page scrolls">
      <header className="page-head">
        <h1>Topics</h1>
        <SamplingNote lookbackMs={lookback.ms} about="records are of those, rates of all" />
        <span className="spacer" />
        <LookbackPicker />
      </header>
      {all.data && rows.length === 0 ? (
        <section className="notice">
          <h2>Nothing was sent in this time</h2>
          <p>
            A record is on this page when the span that sent it says so: with <code>context.publish</code>,
            with <code>spoor topic publish</code>, or from any client that follows OpenTelemetry’s messaging
            conventions.
          </p>
        </section>
      ) : (
        <>
          <Table
            label="Topics"
            columns={topicColumns(search.topic, (topic) =>
              change({ topic: topic === search.topic ? '' : topic }),
            )}
            rows={rows}
            rowKey={(row) => row.topic}
            rowClass={(row) => (row.topic === search.topic ? 'is-selected' : '')}
            rowHeight={34}
            sort={{ key: 'rate', isUp: false }}
          />
          {search.topic && <TopicDetail topic={search.topic} topics={topics.data} platform={platform.data} />}
          <section className="home-section" aria-labelledby="records">
            <div className="records-head">
              <h2 id="records">{search.topic ? `Records of ${search.topic}` : 'Newest records'}</h2>
              {search.topic && (
                <button type="button" className="linkish" onClick={() => change({ topic: '' })}>
                  of all topics
                </button>
              )}
              <Segments
                label="State"
                options={STATES}
                value={STATES.find(({ value }) => value === search.state)?.value ?? ''}
                onChange={(state) => change({ state })}
              />
              <form
                key={`${search.partition} ${search.offset} ${search.key}`}
                className="inline-form"
                role="search"
                onSubmit={lookUp}
              >
                <input
                  className="field field-small mono"
                  name="partition"
                  aria-label="Partition"
                  placeholder="partition"
                  defaultValue={search.partition}
                  inputMode="numeric"
                />
                <input
                  className="field field-small mono"
                  name="offset"
                  aria-label="Offset"
                  placeholder="offset"
                  defaultValue={search.offset}
                  inputMode="numeric"
                />
                <input
                  className="field mono"
                  name="key"
                  aria-label="Key"
                  placeholder="key"
                  defaultValue={search.key}
                />
                <button type="submit" className="button">
                  Look up
                </button>
              </form>
            </div>
            {place && platform.data && (
              <RecordContent
                {...place}
                message={found.data?.messages.find(
                  (each) =>
                    each.topic === place.topic &&
                    each.partition === place.partition &&
                    each.offset === place.offset,
                )}
                onClose={() => change({ open: '' })}
              />
            )}
            {found.isError ? (
              <PageError title="The records cannot be had" error={found.error} />
            ) : !found.data ? (
              <p className="home-none">Loading…</p>
            ) : found.data.messages.length === 0 ? (
              <p className="home-none">No such record in this time.</p>
            ) : (
              <Table
                label="Records"
                columns={recordColumns(
                  platform.data
                    ? (row) => change({ open: `${row.topic}/${row.partition}/${row.offset}` })
                    : undefined,
                )}
                rows={found.data.messages}
                rowKey={(row, index) => `${row.spanId} ${index}`}
                rowClass={(row) =>
                  search.open === `${row.topic}/${row.partition}/${row.offset}` ? 'is-selected' : ''
                }
                rowHeight={30}
              />
            )}
          </section>
        </>
      )}
    </div>
  );
}

function topicColumns(
  selected: string | undefined,
  onTopic: (topic: string) => void,
): readonly Column<TopicRow>[] {
  const none = <span className="dim">·</span>;
  return [
    {
      key: 'topic',
      title: 'Topic',
      width: 'minmax(130px, 1fr)',
      sortBy: (row) => row.topic,
      render: (row) => (
        <button
          type="button"
          className="linkish linkish-plain op"
          aria-pressed={row.topic === selected}
          onClick={() => onTopic(row.topic)}
        >
          {row.topic}
        </button>
      ),
    },
    {
      key: 'spark',
      title: 'Sent over time',
      width: 'minmax(90px, 0.8fr)',
      isExtra: true,
      render: (row) => (
        <BarSpark
          bars={(row.grid?.points ?? []).map((point) => ({
            count: point?.calls ?? 0,
            bad: point?.errors ?? 0,
          }))}
        />
      ),
    },
    {
      key: 'sent',
      title: 'Sent',
      width: '64px',
      isNumber: true,
      isExtra: true,
      sortBy: (row) => row.sent,
      render: (row) => formatCount(row.sent),
    },
    {
      key: 'rate',
      title: 'Rate',
      width: '80px',
      isNumber: true,
      sortBy: (row) => row.ratePerSecond,
      render: (row) => formatRate(row.ratePerSecond),
    },
    {
      key: 'groups',
      title: 'Read by',
      width: 'minmax(110px, 0.8fr)',
      render: (row) =>
        row.groups.length === 0 ? (
          <span className="dim">{row.sampled === 0 ? '·' : 'nobody'}</span>
        ) : (
          <span className="mono">{row.groups.join(', ')}</span>
        ),
    },
    {
      key: 'lag',
      title: 'Lag now',
      width: '62px',
      isNumber: true,
      sortBy: (row) => row.lag,
      render: (row) => (row.lag === 0 ? none : formatCount(row.lag)),
    },
    {
      key: 'failed',
      title: 'Failed',
      width: '60px',
      isNumber: true,
      sortBy: (row) => row.failed,
      render: (row) =>
        row.failed === 0 ? none : <span className="error-text">{formatCount(row.failed)}</span>,
    },
    {
      key: 'letters',
      title: 'Dead letters',
      width: '78px',
      isNumber: true,
      sortBy: (row) => row.deadLetters,
      render: (row) =>
        row.deadLetters === 0 ? none : <span className="error-text">{formatCount(row.deadLetters)}</span>,
    },
    {
      key: 'p50',
      title: 'Wait p50',
      width: '76px',
      isNumber: true,
      isExtra: true,
      sortBy: (row) => row.waitP50 ?? -1,
      render: (row) => (row.waitP50 === undefined ? none : formatDuration(row.waitP50)),
    },
    {
      key: 'p99',
      title: 'Wait p99',
      width: '76px',
      isNumber: true,
      sortBy: (row) => row.waitP99 ?? -1,
      render: (row) => (row.waitP99 === undefined ? none : formatDuration(row.waitP99)),
    },
  ];
}

function recordColumns(onOpen?: (row: MessageJson) => void): readonly Column<MessageJson>[] {
  if (!onOpen) return RECORD_COLUMNS;
  const look: Column<MessageJson> = {
    key: 'content',
    title: 'Content',
    width: '58px',
    render: (row) =>
      row.offset === '' ? null : (
        <button
          type="button"
          className="linkish"
          aria-label={`Look into ${row.topic} ${row.partition}/${row.offset}`}
          onClick={() => onOpen(row)}
        >
          Look
        </button>
      ),
  };
  return [...RECORD_COLUMNS, look];
}

const RECORD_COLUMNS: readonly Column<MessageJson>[] = [
  {
    key: 'time',
    title: 'Sent',
    width: '98px',
    sortBy: (row) => Number(BigInt(row.sentUnixNano) / 1_000n),
    render: (row) => (
      <span className="mono">{formatClock(Number(BigInt(row.sentUnixNano) / 1_000_000n))}</span>
    ),
  },
  {
    key: 'record',
    title: 'Record',
    width: 'minmax(130px, 0.6fr)',
    render: (row) => (
      <Link
        to="/flow/$traceId"
        params={{ traceId: row.traceId }}
        className="linkish"
        title="Follow its journey"
      >
        {row.topic} <span className="mono">{row.offset === '' ? '' : `${row.partition}/${row.offset}`}</span>
      </Link>
    ),
  },
  {
    key: 'key',
    title: 'Key',
    width: 'minmax(60px, 0.3fr)',
    isExtra: true,
    render: (row) => <bdi className="mono">{row.key || '·'}</bdi>,
  },
  {
    key: 'from',
    title: 'Sent by',
    width: 'minmax(80px, 0.3fr)',
    isExtra: true,
    render: (row) => (
      <Link
        to="/trace/$traceId"
        params={{ traceId: row.traceId }}
        search={{ span: row.spanId }}
        className="linkish linkish-plain"
      >
        {row.producer}
      </Link>
    ),
  },
  {
    key: 'state',
    title: 'State',
    width: '76px',
    sortBy: (row) => row.state,
    render: (row) => (
      <span className={`state state-${row.state}`}>{row.state === 'waiting' ? 'not taken' : row.state}</span>
    ),
  },
  {
    key: 'deliveries',
    title: 'What became of it',
    width: 'minmax(160px, 1fr)',
    render: (row) => row.deliveries.map((delivery, i) => <Delivery key={i} delivery={delivery} />),
  },
];

function Delivery({ delivery }: { readonly delivery: MessageJson['deliveries'][number] }) {
  const took = Math.max(0, Number(BigInt(delivery.endUnixNano) - BigInt(delivery.receivedUnixNano)));
  return (
    <Link
      to="/trace/$traceId"
      params={{ traceId: delivery.traceId }}
      search={{ span: delivery.spanId }}
      className="delivery"
      title={delivery.statusMessage || delivery.consumerGroup}
    >
      <b className="op">{delivery.function || delivery.consumerGroup}</b>
      <span className={delivery.error ? 'error-text' : 'dim'}>
        {OUTCOMES[delivery.outcome] ?? delivery.outcome}
      </span>
      {delivery.attempts > 1 && <span className="dim">{delivery.attempts} tries</span>}
      <span className="mono">{formatDuration(took)}</span>
      {Number(delivery.waitNano) > 0 && (
        <span className="dim">
          after <span className="mono">{formatDuration(Number(delivery.waitNano))}</span>
        </span>
      )}
    </Link>
  );
}

const OUTCOMES: Readonly<Record<string, string>> = {
  success: 'done',
  retry: 'to be tried again',
  dead_letter: 'dead letter',
  dropped: 'dropped',
};
