import type { FunctionGroupJson } from '../../../backend/query/shapes.ts';
import { Table, type Column } from '../table/table.tsx';
import { formatDuration } from '../text/duration.ts';
import { formatCount, formatPercent } from '../text/number.ts';
import { formatAgo } from '../text/time.ts';
import { compareVersions, type VersionRow } from './compare-versions.ts';

const MOST_ROWS = 12;
/** Smaller changes are those of any two samples. */
const NOTABLE = 0.15;
const NOTABLE_ERRORS = 0.01;

/** Each version beside the one before it: whether the last release made it worse. */
export function Versions({ versions }: { readonly versions: readonly FunctionGroupJson[] }) {
  const rows = compareVersions(versions);
  return (
    <section className="outlying" aria-labelledby="versions">
      <h2 id="versions">
        Versions
        {rows.length > 1 && <span className="dim section-note">each beside the one before it</span>}
      </h2>
      <Table
        label="Versions"
        columns={COLUMNS}
        rows={rows.slice(0, MOST_ROWS)}
        rowKey={({ group }) => group.value}
        rowHeight={28}
      />
      {rows.length > MOST_ROWS && <p className="note dim">and {formatCount(rows.length - MOST_ROWS)} more</p>}
    </section>
  );
}

const none = <span className="dim">·</span>;

const COLUMNS: readonly Column<VersionRow>[] = [
  {
    key: 'value',
    title: 'Version',
    width: 'minmax(70px, 0.5fr)',
    render: ({ group }) => <span className="mono">{group.value || '(none)'}</span>,
  },
  {
    key: 'share',
    title: 'Share of the calls',
    width: 'minmax(90px, 0.8fr)',
    isExtra: true,
    render: ({ share }) => (
      <span className="bars-track version-share">
        <i style={{ width: `${share * 100}%`, background: 'var(--bar)' }} />
      </span>
    ),
  },
  {
    key: 'calls',
    title: 'Calls',
    width: '64px',
    isNumber: true,
    render: ({ group }) => formatCount(group.invocations),
  },
  {
    key: 'errors',
    title: 'Failed',
    width: '120px',
    isNumber: true,
    render: ({ errorRate, errorChange }) => (
      <>
        {errorRate === 0 ? none : <span className="error-text">{formatPercent(errorRate)}</span>}
        {errorChange !== undefined && Math.abs(errorChange) >= NOTABLE_ERRORS && (
          <Change
            isWorse={errorChange > 0}
            text={`${formatPercent(Math.abs(errorChange)).replace(' %', '')} pt`}
          />
        )}
      </>
    ),
  },
  {
    key: 'p50',
    title: 'p50',
    width: '140px',
    isNumber: true,
    render: ({ group, p50Change }) => <Time nano={group.p50Nano} change={p50Change} />,
  },
  {
    key: 'p99',
    title: 'p99',
    width: '140px',
    isNumber: true,
    render: ({ group, p99Change }) => <Time nano={group.p99Nano} change={p99Change} />,
  },
  {
    key: 'cold',
    title: 'Cold',
    width: '56px',
    isNumber: true,
    isExtra: true,
    render: ({ coldRate }) => (coldRate === 0 ? none : formatPercent(coldRate)),
  },
  {
    key: 'first',
    title: 'First call',
    width: '84px',
    isNumber: true,
    isExtra: true,
    render: ({ group }) => ago(group.firstSeenUnixNano),
  },
  {
    key: 'last',
    title: 'Last call',
    width: '84px',
    isNumber: true,
    render: ({ group }) => ago(group.lastSeenUnixNano),
  },
];

function Time({ nano, change }: { readonly nano: string; readonly change: number | undefined }) {
  return (
    <>
      {formatDuration(Number(nano))}
      {change !== undefined && Math.abs(change) >= NOTABLE && (
        <Change
          isWorse={change > 0}
          text={change >= 1 ? `×${(change + 1).toFixed(1)}` : formatPercent(Math.abs(change))}
        />
      )}
    </>
  );
}

function Change({ isWorse, text }: { readonly isWorse: boolean; readonly text: string }) {
  return (
    <span className={isWorse ? 'change error-text' : 'change better-text'}>
      {isWorse ? '▲' : '▼'}
      <span className="sr">{isWorse ? 'more by' : 'less by'}</span> {text}
    </span>
  );
}

function ago(unixNano: string): string {
  return formatAgo(Number(BigInt(unixNano) / 1_000_000n), Date.now());
}
