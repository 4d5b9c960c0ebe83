import type { PlatformJson, TopicsJson } from '../../../backend/query/shapes.ts';
import { LineSpark } from '../chart/sparkline.tsx';
import { lagOf, waitsOf } from '../home/lag.ts';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { formatCount } from '../text/number.ts';
import { deadLettersOf, REDRIVE_GROUP } from './dead-letters.ts';
import { Redrive } from './redrive.tsx';

interface GroupRow {
  readonly consumerGroup: string;
  readonly functions: readonly string[];
  readonly received: number;
  readonly failed: number;
  readonly waits: readonly (number | undefined)[];
  readonly waitP50: number | undefined;
  readonly waitP99: number | undefined;
  readonly lag: number | undefined;
}

interface PartitionRow {
  readonly partition: number;
  readonly first: string;
  readonly next: string;
  readonly kept: number;
  /** `group at offset`, for each that reads it. */
  readonly readers: string;
}

/** One topic: who reads it and how far behind, its partitions, and its dead letters when it is an error topic. */
export function TopicDetail(props: {
  readonly topic: string;
  readonly topics: TopicsJson | undefined;
  readonly platform: PlatformJson | null | undefined;
}) {
  const { topic, platform } = props;
  const groups = groupRows(props.topics, platform, topic);
  const partitions = partitionRows(platform, topic);
  const letters = platform ? deadLettersOf(platform, topic) : undefined;
  return (
    <div className="topic-detail">
      {letters && <Redrive key={topic} topic={topic} letters={letters} />}
      {groups.length > 0 && (
        <Table
          label={`Who reads ${topic}`}
          columns={GROUP_COLUMNS}
          rows={groups}
          rowKey={(row) => row.consumerGroup}
          rowHeight={32}
        />
      )}
      {partitions.length > 0 && (
        <Table
          label={`Partitions of ${topic}`}
          columns={PARTITION_COLUMNS}
          rows={partitions}
          rowKey={(row) => String(row.partition)}
          rowHeight={28}
        />
      )}
    </div>
  );
}

function groupRows(
  topics: TopicsJson | undefined,
  platform: PlatformJson | null | undefined,
  topic: string,
): readonly GroupRow[] {
  const seen = topics?.topics.find((each) => each.topic === topic)?.groups ?? [];
  const declared = (platform?.topics.find(({ name }) => name === topic)?.groups ?? []).map(
    ({ consumerGroup }) => consumerGroup,
  );
  const names = [...new Set([...seen.map(({ consumerGroup }) => consumerGroup), ...declared])].sort();
  return names
    .filter((name) => name !== REDRIVE_GROUP)
    .map((consumerGroup) => {
      const group = seen.find((each) => each.consumerGroup === consumerGroup);
      return {
        consumerGroup,
        functions: (platform?.triggers ?? [])
          .filter(
            (each) => each.kind === 'queue' && each.topic === topic && each.consumerGroup === consumerGroup,
          )
          .flatMap((each) => each.functions),
        received: group?.received ?? 0,
        failed: group?.failed ?? 0,
        waits: topics && group ? waitsOf(topics, group) : [],
        waitP50: group && Number(group.waitP50Nano),
        waitP99: group && Number(group.waitP99Nano),
        lag: lagOf(platform, topic, consumerGroup),
      };
    });
}

function partitionRows(platform: PlatformJson | null | undefined, topic: string): readonly PartitionRow[] {
  const found = platform?.topics.find(({ name }) => name === topic);
  return (found?.partitions ?? []).map(({ partition, startOffset, endOffset }) => ({
    partition,
    first: startOffset,
    next: endOffset,
    kept: Number(BigInt(endOffset) - BigInt(startOffset)),
    readers: (found?.groups ?? [])
      .flatMap(({ consumerGroup, partitions }) => {
        const at = partitions.find((each) => each.partition === partition);
        return at ? [`${consumerGroup} at ${at.committed}`] : [];
      })
      .join(', '),
  }));
}

const none = <span className="dim">·</span>;

const GROUP_COLUMNS: readonly Column<GroupRow>[] = [
  {
    key: 'group',
    title: 'Read by',
    width: 'minmax(120px, 1fr)',
    render: (row) => (
      <>
        <span className="mono">{row.consumerGroup}</span>{' '}
        <span className="dim">{row.functions.length > 0 && `for ${row.functions.join(', ')}`}</span>
      </>
    ),
  },
  {
    key: 'lag',
    title: 'Lag now',
    width: '76px',
    isNumber: true,
    render: (row) => (row.lag === undefined ? none : formatCount(row.lag)),
  },
  {
    key: 'received',
    title: 'Received',
    width: '72px',
    isNumber: true,
    render: (row) => formatCount(row.received),
  },
  {
    key: 'failed',
    title: 'Failed',
    width: '60px',
    isNumber: true,
    render: (row) =>
      row.failed === 0 ? none : <span className="error-text">{formatCount(row.failed)}</span>,
  },
  {
    key: 'spark',
    title: 'Wait over time',
    width: 'minmax(90px, 0.8fr)',
    isExtra: true,
    render: (row) => <LineSpark values={row.waits} />,
  },
  {
    key: 'p50',
    title: 'Wait p50',
    width: '76px',
    isNumber: true,
    render: (row) => (row.waitP50 === undefined ? none : formatDuration(row.waitP50)),
  },
  {
    key: 'p99',
    title: 'Wait p99',
    width: '76px',
    isNumber: true,
    render: (row) => (row.waitP99 === undefined ? none : formatDuration(row.waitP99)),
  },
];

const PARTITION_COLUMNS: readonly Column<PartitionRow>[] = [
  { key: 'partition', title: 'Partition', width: '70px', isNumber: true, render: (row) => row.partition },
  { key: 'first', title: 'First', width: '76px', isNumber: true, render: (row) => row.first },
  { key: 'next', title: 'Next', width: '76px', isNumber: true, render: (row) => row.next },
  { key: 'kept', title: 'Kept', width: '76px', isNumber: true, render: (row) => formatCount(row.kept) },
  {
    key: 'readers',
    title: 'Where its readers are',
    width: 'minmax(120px, 1fr)',
    render: (row) => (row.readers === '' ? none : <span className="mono dim">{row.readers}</span>),
  },
];
