import { useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, type ReactNode, useMemo, useRef, useState } from 'react';
import { useRoom } from '../layout/use-room.ts';
import './table.css';

export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  /** A grid track: `80px`, `minmax(0, 1fr)`. */
  readonly width: string;
  readonly isNumber?: boolean;
  /** What the column sorts by; without it, it does not. Numbers sort largest first. */
  readonly sortBy?: (row: Row) => number | string;
  readonly render: (row: Row) => ReactNode;
  /** Left out below 1,000 px. */
  readonly isExtra?: boolean;
}

export interface TableProps<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row, index: number) => string;
  readonly rowClass?: (row: Row) => string;
  readonly sort?: { readonly key: string; readonly isUp: boolean };
  readonly rowHeight?: number;
  /** Scrolls inside itself and draws only what shows; otherwise it is as long as it is. */
  readonly fills?: boolean;
  readonly onRow?: (row: Row) => void;
}

/** Narrower than this a table keeps its width and moves sideways, px (table.css). */
const LEAST_WIDTH = 620;

/** Rows under headings that sort. */
export function Table<Row>(props: TableProps<Row>) {
  const { columns, rowHeight = 32 } = props;
  const [sort, setSort] = useState(props.sort);
  const rows = useMemo(() => sorted(props.rows, columns, sort), [props.rows, columns, sort]);
  const scroller = useRef<HTMLDivElement>(null);
  const [table, room] = useRoom<HTMLDivElement>();
  const virtual = useVirtualizer({
    count: props.fills ? rows.length : 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 10,
  });
  const tracks = {
    '--tracks': columns.map((column) => column.width).join(' '),
    '--tracks-narrow': columns
      .filter((column) => !column.isExtra)
      .map((column) => column.width)
      .join(' '),
  } as CSSProperties;
  const line = (row: Row, index: number, style?: CSSProperties) => (
    <div
      key={props.rowKey(row, index)}
      role="row"
      aria-rowindex={index + 2}
      className={`t-row ${props.onRow ? 't-row-link' : ''} ${props.rowClass?.(row) ?? ''}`}
      style={{ height: rowHeight, ...style }}
      onClick={props.onRow && (() => props.onRow?.(row))}
    >
      {columns.map((column) => (
        <div key={column.key} role="cell" className={cellClass(column)}>
          {column.render(row)}
        </div>
      ))}
    </div>
  );
  return (
    <div
      ref={table}
      role="table"
      // What moves sideways is moved by keys too.
      tabIndex={room < LEAST_WIDTH && !props.fills ? 0 : undefined}
      aria-label={props.label}
      aria-rowcount={rows.length + 1}
      className={props.fills ? 't t-fills' : 't'}
      style={tracks}
    >
      <div role="rowgroup" className="t-head">
        <div role="row" className="t-row" aria-rowindex={1}>
          {columns.map((column) => (
            <Heading key={column.key} column={column} sort={sort} onSort={setSort} />
          ))}
        </div>
      </div>
      {props.fills ? (
        <div ref={scroller} role="rowgroup" className="t-scroll" tabIndex={0} aria-label={props.label}>
          <div role="presentation" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
            {virtual.getVirtualItems().map((item) => {
              const row = rows[item.index];
              return row === undefined
                ? null
                : line(row, item.index, { position: 'absolute', top: item.start, left: 0, right: 0 });
            })}
          </div>
        </div>
      ) : (
        <div role="rowgroup">{rows.map((row, i) => line(row, i))}</div>
      )}
    </div>
  );
}

interface Sort {
  readonly key: string;
  readonly isUp: boolean;
}

function Heading<Row>(props: {
  readonly column: Column<Row>;
  readonly sort: Sort | undefined;
  readonly onSort: (sort: Sort) => void;
}) {
  const { column, sort } = props;
  const isSorted = sort?.key === column.key;
  return (
    <div
      role="columnheader"
      className={cellClass(column)}
      aria-sort={isSorted ? (sort.isUp ? 'ascending' : 'descending') : undefined}
    >
      {column.sortBy ? (
        <button
          type="button"
          className="t-sort"
          onClick={() =>
            props.onSort({ key: column.key, isUp: isSorted ? !sort.isUp : column.isNumber !== true })
          }
        >
          {column.title}
          <span aria-hidden="true">{isSorted ? (sort.isUp ? ' ↑' : ' ↓') : ''}</span>
        </button>
      ) : (
        column.title
      )}
    </div>
  );
}

function cellClass<Row>(column: Column<Row>): string {
  return `t-cell${column.isNumber ? ' t-number mono' : ''}${column.isExtra ? ' t-extra' : ''}`;
}

function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: Sort | undefined) {
  const by = columns.find((column) => column.key === sort?.key)?.sortBy;
  if (!by || !sort) return rows;
  const sign = sort.isUp ? 1 : -1;
  return rows.toSorted((a, b) => {
    const [x, y] = [by(a), by(b)];
    return x < y ? -sign : x > y ? sign : 0;
  });
}
