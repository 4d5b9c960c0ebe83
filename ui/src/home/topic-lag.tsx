import { Link } from '@tanstack/react-router';
import type { PlatformJson, TopicGroupJson, TopicsJson } from '../../../backend/query/shapes.ts';
import { LineSpark } from '../chart/sparkline.tsx';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { formatCount } from '../text/number.ts';
import { lagOf, waitsOf } from './lag.ts';

interface Row {
  readonly topic: string;
  readonly group: TopicGroupJson;
  readonly lag: number | undefined;
}

/** How long records wait for each group that reads a topic. */
export function TopicLag(props: { readonly topics: TopicsJson; readonly platform: PlatformJson | null }) {
  const rows = props.topics.topics.flatMap(({ topic, groups }) =>
    groups.map((group): Row => ({ topic, group, lag: lagOf(props.platform, topic, group.consumerGroup) })),
  );
  if (rows.length === 0) return null;
  const none = <span className="dim">·</span>;
  const columns: readonly Column<Row>[] = [
    {
      key: 'topic',
      title: 'Topic',
      width: 'minmax(120px, 1fr)',
      sortBy: (row) => row.topic,
      render: (row) => (
        <Link to="/topics" search={{ topic: row.topic }} className="linkish linkish-plain">
          <b className="op">{row.topic}</b>
        </Link>
      ),
    },
    {
      key: 'group',
      title: 'Read by',
      width: 'minmax(110px, 1fr)',
      sortBy: (row) => row.group.consumerGroup,
      render: (row) => <span className="mono">{row.group.consumerGroup}</span>,
    },
    {
      key: 'received',
      title: 'Received',
      width: '76px',
      isNumber: true,
      sortBy: (row) => row.group.received,
      render: (row) => formatCount(row.group.received),
    },
    {
      key: 'failed',
      title: 'Failed',
      width: '62px',
      isNumber: true,
      sortBy: (row) => row.group.failed,
      render: (row) =>
        row.group.failed === 0 ? none : <span className="error-text">{formatCount(row.group.failed)}</span>,
    },
    {
      key: 'lag',
      title: 'Lag now',
      width: '76px',
      isNumber: true,
      sortBy: (row) => row.lag ?? -1,
      render: (row) => (row.lag === undefined || row.lag === 0 ? none : formatCount(row.lag)),
    },
    {
      key: 'spark',
      title: 'Queue wait over time',
      width: 'minmax(90px, 0.9fr)',
      isExtra: true,
      render: (row) => <LineSpark values={waitsOf(props.topics, row.group)} />,
    },
    {
      key: 'p50',
      title: 'Wait p50',
      width: '76px',
      isNumber: true,
      sortBy: (row) => Number(row.group.waitP50Nano),
      render: (row) => formatDuration(Number(row.group.waitP50Nano)),
    },
    {
      key: 'p99',
      title: 'Wait p99',
      width: '76px',
      isNumber: true,
      sortBy: (row) => Number(row.group.waitP99Nano),
      render: (row) => formatDuration(Number(row.group.waitP99Nano)),
    },
  ];
  return (
    <section className="home-section" aria-labelledby="topic-lag">
      <h2 id="topic-lag">Topics</h2>
      <Table
        label="Topics and who reads them"
        columns={columns}
        rows={rows}
        rowKey={(row) => `${row.topic} ${row.group.consumerGroup}`}
        rowHeight={32}
        sort={{ key: 'p99', isUp: false }}
      />
    </section>
  );
}
