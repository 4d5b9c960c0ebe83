import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useMemo, useState } from 'react';
import { logsQuery, servicesQuery } from '../api/queries.ts';
import { assignColors } from '../layout/colors.ts';
import { LookbackPicker, useLookback } from '../shell/lookback.tsx';
import { PageError } from '../shell/notice.tsx';
import { useTitle } from '../shell/use-title.ts';
import { Segments } from '../shell/segments.tsx';
import { LogTable } from './log-table.tsx';
import type { LogsSearch } from './logs-search.ts';

const LIMIT = 500;
const LEVELS = [
  { value: '', label: 'all' },
  { value: 'info', label: 'info' },
  { value: 'warn', label: 'warn' },
  { value: 'error', label: 'error' },
] as const;

/** What functions printed, the newest first, each line with the way to its trace. */
export function LogsPage() {
  const search = useSearch({ from: '/logs' });
  const navigate = useNavigate({ from: '/logs' });
  const lookback = useLookback();
  useTitle('Logs');
  const services = useQuery(servicesQuery());
  const logs = useQuery(logsQuery({ ...search, lookbackMs: lookback.ms, limit: LIMIT }));
  const [text, setText] = useState(search.text ?? '');
  const change = (next: LogsSearch) =>
    void navigate({ search: (before) => ({ ...before, ...next }), replace: true });
  const lines = logs.data?.logs ?? [];
  const colors = useMemo(
    () => assignColors([...(services.data ?? []), ...lines.map(({ service }) => service)]),
    [services.data, lines],
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change({ text: text.trim() });
  };
  return (
    <div className="page">
      <header className="page-head page-head-panel">
        <h1>Logs</h1>
        <form className="inline-form" role="search" onSubmit={submit}>
          <select
            aria-label="Service"
            className="field"
            value={search.service ?? ''}
            onChange={(event) => change({ service: event.currentTarget.value })}
          >
            <option value="">all services</option>
            {[...new Set([...(services.data ?? []), ...(search.service ? [search.service] : [])])].map(
              (name) => (
                <option key={name}>{name}</option>
              ),
            )}
          </select>
          <input
            className="field field-wide mono"
            aria-label="Text in the line"
            placeholder="Text in the line, then Enter"
            spellCheck={false}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <span className="tool-group">
            <span className="dim">at least</span>
            <Segments
              label="Least level"
              options={LEVELS}
              value={LEVELS.find(({ value }) => value === search.severity)?.value ?? ''}
              onChange={(severity) => change({ severity })}
            />
          </span>
        </form>
        <span className="dim" role="status">
          {logs.data &&
            `${lines.length}${lines.length >= LIMIT ? ', the newest' : ''} ${lines.length === 1 ? 'line' : 'lines'}`}
        </span>
        <span className="spacer" />
        <LookbackPicker />
      </header>
      {logs.isError && !logs.data ? (
        <PageError title="The logs cannot be had" error={logs.error} onRetry={() => void logs.refetch()} />
      ) : !logs.data ? (
        <p className="waiting" role="status">
          Loading…
        </p>
      ) : lines.length === 0 ? (
        <section className="notice">
          <h2>No line in this time</h2>
          <p>
            What a function prints while it runs is kept with its span. Look further back, or ask for less.
          </p>
        </section>
      ) : (
        <LogTable
          logs={lines}
          colors={colors}
          isUp={false}
          spanTitle="Trace"
          spanOf={(log) =>
            log.traceId === '' ? (
              <span className="dim">·</span>
            ) : (
              <Link
                to="/trace/$traceId"
                params={{ traceId: log.traceId }}
                search={log.spanId === '' ? {} : { span: log.spanId }}
                className="linkish mono"
              >
                {log.traceId.slice(0, 12)}
              </Link>
            )
          }
        />
      )}
    </div>
  );
}
