import type { LogJson } from '../../../backend/query/shapes.ts';
import type { Column } from '../table/table.tsx';

/** The line itself; a long one is cut for the eye, and a little later for the pointer. */
export const BODY_COLUMN: Column<LogJson> = {
  key: 'body',
  title: 'Line',
  width: 'minmax(160px, 1fr)',
  render: (log) => (
    <bdi className="mono" title={log.body.slice(0, 2_000)}>
      {log.body.slice(0, 500)}
    </bdi>
  ),
};
