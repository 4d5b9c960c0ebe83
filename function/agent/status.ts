import { createServer, type Server } from 'node:http';
import type { CollectorState } from './shipper.ts';
import type { Counts } from './spool.ts';

/** The agent's account of itself: each span is in exactly one place of it. */
export interface AgentStatus {
  /** Journals being read. */
  readonly journals: number;
  /** Of them, those whose process is dead. */
  readonly deadInstances: number;
  /** Journal files that are not journals, by path. */
  readonly unreadable: Readonly<Record<string, string>>;
  readonly openSpans: number;
  /** Spans that were closed because their process died. */
  readonly unfinishedSpans: number;
  /** Put into the spool in this life of the agent. */
  readonly spooled: Readonly<Counts>;
  /** In the spool, not acknowledged. */
  readonly waiting: Readonly<Counts>;
  readonly waitingBytes: number;
  readonly acknowledged: Readonly<Counts>;
  /** Refused by the collector for good; the batches are kept beside the spool. */
  readonly rejected: Readonly<Counts>;
  /** Given up because the spool was full. */
  readonly dropped: Readonly<Counts>;
  /** Lost by journals that were full, as their writers counted. */
  readonly journalDropped: Readonly<Counts>;
  /** Records of journals that could not be read, and spans not followed because too many were open. */
  readonly damagedRecords: number;
  readonly overflowedSpans: number;
  /** The disk refuses the spool; journals are not drained until it does not. */
  readonly isDiskFull: boolean;
  readonly collector: CollectorState;
}

/** `/status` as JSON, `/metrics` for Prometheus, `/healthz`. */
export function createStatusServer(status: () => AgentStatus): Server {
  return createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (path === '/status') {
      response.setHeader('content-type', 'application/json');
      response.end(`${JSON.stringify(status())}\n`);
    } else if (path === '/metrics') {
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      response.end(toPrometheus(status()));
    } else if (path === '/healthz') response.end('ok\n');
    else {
      response.statusCode = 404;
      response.end(`cannot find [${path}]: there are /status, /metrics and /healthz\n`);
    }
  });
}

/** Text exposition format 0.0.4. */
export function toPrometheus(status: AgentStatus): string {
  const lines: string[] = [];
  const add = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    values: Readonly<Record<string, number>>,
  ) => {
    lines.push(`# HELP spoor_agent_${name} ${help}`, `# TYPE spoor_agent_${name} ${type}`);
    for (const [labels, value] of Object.entries(values)) lines.push(`spoor_agent_${name}${labels} ${value}`);
  };
  const bySignal = (counts: Readonly<Counts>) => ({
    '{signal="spans"}': counts.spans,
    '{signal="logs"}': counts.logs,
  });
  add('journals', 'gauge', 'Journals being read.', { '': status.journals });
  add('open_spans', 'gauge', 'Spans that have started and not ended.', { '': status.openSpans });
  add('unfinished_spans_total', 'counter', 'Spans closed because their process died.', {
    '': status.unfinishedSpans,
  });
  add('spooled_total', 'counter', 'Put into the spool.', bySignal(status.spooled));
  add('waiting', 'gauge', 'In the spool, not acknowledged.', bySignal(status.waiting));
  add('waiting_bytes', 'gauge', 'Size of the spool.', { '': status.waitingBytes });
  add('acknowledged_total', 'counter', 'Taken by the collector.', bySignal(status.acknowledged));
  add('rejected_total', 'counter', 'Refused by the collector for good.', bySignal(status.rejected));
  add('dropped_total', 'counter', 'Given up because the spool was full.', bySignal(status.dropped));
  add(
    'journal_dropped_total',
    'counter',
    'Lost by journals that were full.',
    bySignal(status.journalDropped),
  );
  add('damaged_records_total', 'counter', 'Journal records that could not be read.', {
    '': status.damagedRecords,
  });
  add('overflowed_spans_total', 'counter', 'Spans not followed: too many open.', {
    '': status.overflowedSpans,
  });
  add('disk_full', 'gauge', 'The disk refuses the spool.', { '': status.isDiskFull ? 1 : 0 });
  add('requests_total', 'counter', 'Requests to the collector.', { '': status.collector.requests });
  add('failed_requests_total', 'counter', 'Requests the collector did not take.', {
    '': status.collector.failedRequests,
  });
  return `${lines.join('\n')}\n`;
}
