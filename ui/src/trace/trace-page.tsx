import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { traceQuery } from '../api/queries.ts';
import { assignColors } from '../layout/colors.ts';
import type { Range } from '../layout/range.ts';
import type { Trace } from '../model/trace.ts';
import { PageError } from '../shell/notice.tsx';
import { Minimap } from './minimap.tsx';
import { SpanPanel } from './span-panel.tsx';
import { TraceHead } from './trace-head.tsx';
import { Waterfall } from './waterfall.tsx';

export function TracePage() {
  const { traceId } = useParams({ from: '/trace/$traceId' });
  const trace = useQuery(traceQuery(traceId));
  if (trace.isError)
    return (
      <PageError title="This trace cannot be shown" error={trace.error} onRetry={() => void trace.refetch()}>
        <p className="dim">
          Looked for <code>{traceId}</code>. Spans arrive within moments of a call; a trace older than the
          store keeps is gone.
        </p>
      </PageError>
    );
  if (!trace.data)
    return (
      <p className="waiting" role="status">
        Loading the trace…
      </p>
    );
  return <TraceView key={trace.data.id} trace={trace.data} onReload={() => void trace.refetch()} />;
}

function TraceView({ trace, onReload }: { readonly trace: Trace; readonly onReload: () => void }) {
  const { span: selectedId } = useSearch({ from: '/trace/$traceId' });
  const navigate = useNavigate({ from: '/trace/$traceId' });
  const [zoomed, setZoomed] = useState<Range>();
  const range = zoomed ?? { from: 0, to: trace.durationNanos };
  const colors = useMemo(() => assignColors(trace.services.map(({ name }) => name)), [trace]);
  const selected = useMemo(() => trace.spans.find((span) => span.id === selectedId), [trace, selectedId]);
  const select = useCallback(
    (id: string | undefined) =>
      void navigate({ search: id === undefined ? {} : { span: id }, replace: true }),
    [navigate],
  );

  return (
    <div className="page trace-page">
      <TraceHead trace={trace} colors={colors} onReload={onReload} onSelect={select} />
      <Minimap trace={trace} colors={colors} range={range} onZoom={setZoomed} />
      <div className="trace-body">
        <Waterfall
          trace={trace}
          colors={colors}
          range={range}
          selectedId={selected?.id}
          onSelect={select}
          onZoom={setZoomed}
        />
        {selected && (
          <SpanPanel
            trace={trace}
            span={selected}
            color={colors.get(selected.service)}
            onClose={() => select(undefined)}
            onSelect={select}
          />
        )}
      </div>
    </div>
  );
}
