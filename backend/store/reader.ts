import type { LogData, SpanData } from '../../function/span/span-data.ts';
import { archiveTrace } from './archive.ts';
import { readAttributeKeys, readAttributeValues } from './attribute-completion.ts';
import { Calls } from './calls.ts';
import { readDependencies } from './dependencies.ts';
import { readDurationHeatmap } from './duration-heatmap.ts';
import type { Engine } from './engine.ts';
import { readFlowTraceIds, readLinks } from './flow.ts';
import { ONCE_BY_UID, readRecentLogs } from './log-search.ts';
import { readMatchCounts } from './match-counts.ts';
import { readMessages, readTopicEdges } from './messages.ts';
import { readNewestTraceIds } from './newest-traces.ts';
import { readFunctionStats, readRed } from './red.ts';
import { LOG_FIELDS, RowReader } from './span-row.ts';
import { matchingSpans } from './span-filter.ts';
import { sqlInteger, sqlString, sqlTraceId } from './sql-literal.ts';
import type {
  AttributeCount,
  AttributeKeysQuery,
  AttributeValuesQuery,
  DependencyEdge,
  DurationHeatmap,
  DurationHeatmapQuery,
  DurationPoint,
  FlowLimits,
  FlowTraceIds,
  FunctionStats,
  LinkEdge,
  LogQuery,
  MatchCounts,
  MatchCountsQuery,
  MessageQuery,
  MessageSpan,
  Operation,
  RedQuery,
  RedSeries,
  SamplingStats,
  StoreReader,
  TimeRange,
  TopicEdge,
  TopicReader,
  TraceIdMatch,
  TraceQuery,
  TraceSampling,
  TraceSummary,
  ValueCounts,
  ValueCountsQuery,
} from './store.ts';
import { SamplingStore } from './tail-sampling.ts';
import { readTraceIds } from './trace-ids.ts';
import { readArchivedSpans, readTraceSpans } from './trace-spans.ts';
import { readSummaries } from './trace-summaries.ts';
import { readValueCounts } from './value-counts.ts';

export const MAX_TRACES = 1_500;
/** Points of a scatter plot. */
const MAX_POINTS = 10_000n;
const MAX_LOGS = 100_000;

/** See trace-spans.ts. */
const ONCE = 'LIMIT 1 BY trace_id, span_id, kind';

export class SqlReader implements StoreReader, TopicReader {
  readonly #engine: Engine;

  readonly #calls: Calls;

  constructor(engine: Engine, calls = new Calls(engine)) {
    this.#engine = engine;
    this.#calls = calls;
  }

  async services(): Promise<readonly string[]> {
    const rows = await this.#engine.rows('SELECT DISTINCT service FROM operations ORDER BY service');
    return rows.map(([service]) => service as string);
  }

  async operations(query: {
    readonly service: string;
    readonly kind?: number;
  }): Promise<readonly Operation[]> {
    const kind = query.kind === undefined ? '' : ` AND kind = ${sqlInteger(query.kind, 0n, 255n)}`;
    const rows = await this.#engine.rows(
      `SELECT DISTINCT name, kind FROM operations WHERE service = ${sqlString(query.service)}${kind} ORDER BY name, kind`,
    );
    return rows.map(([name, kind]) => ({ name: name as string, kind: kind as number }));
  }

  async trace(traceId: string, hint?: TimeRange): Promise<readonly SpanData[]> {
    const spans = await readTraceSpans(this.#engine, [traceId], hint);
    return spans.length > 0 ? spans : await readArchivedSpans(this.#engine, traceId, hint);
  }

  async sampling(traceId: string): Promise<TraceSampling | undefined> {
    return await new SamplingStore(this.#engine).decision(traceId);
  }

  async samplingStats(range: TimeRange): Promise<SamplingStats> {
    return await new SamplingStore(this.#engine).stats(range);
  }

  async matchCounts(query: MatchCountsQuery): Promise<MatchCounts> {
    return await readMatchCounts(this.#engine, query);
  }

  async archive(traceId: string): Promise<boolean> {
    return await archiveTrace(this.#engine, traceId);
  }

  async findTraceIds(query: TraceQuery): Promise<readonly TraceIdMatch[]> {
    const limit = sqlInteger(query.limit, 1n, BigInt(MAX_TRACES));
    return (
      (await readNewestTraceIds(this.#engine, query, limit)) ??
      (await readTraceIds(this.#engine, query, limit))
    );
  }

  async findTraces(query: TraceQuery): Promise<readonly (readonly SpanData[])[]> {
    const matches = await this.findTraceIds(query);
    return await this.traces(matches.map(({ traceId }) => traceId));
  }

  async traces(traceIds: readonly string[]): Promise<readonly (readonly SpanData[])[]> {
    if (traceIds.length === 0) return [];
    const traces = new Map<string, SpanData[]>(traceIds.map((traceId) => [traceId, []]));
    for (const span of await readTraceSpans(this.#engine, [...traces.keys()]))
      traces.get(span.traceId)?.push(span);
    return [...traces.values()].filter((spans) => spans.length > 0);
  }

  async summaries(query: TraceQuery): Promise<readonly TraceSummary[]> {
    const matches = await this.findTraceIds(query);
    return await this.summariesOf(matches.map(({ traceId }) => traceId));
  }

  async summariesOf(traceIds: readonly string[]): Promise<readonly TraceSummary[]> {
    return await readSummaries(this.#engine, traceIds);
  }

  async linksTo(target: {
    readonly traceId: string;
    readonly spanId?: string;
  }): Promise<readonly LinkEdge[]> {
    return await readLinks(this.#engine, 'to', [target.traceId], target.spanId);
  }

  async linksFrom(traceIds: readonly string[]): Promise<readonly LinkEdge[]> {
    return await readLinks(this.#engine, 'from', traceIds);
  }

  async linksToTraces(traceIds: readonly string[]): Promise<readonly LinkEdge[]> {
    return await readLinks(this.#engine, 'to', traceIds);
  }

  async flowTraceIds(traceId: string, limits?: FlowLimits): Promise<FlowTraceIds> {
    return await readFlowTraceIds(this.#engine, traceId, limits);
  }

  async messages(query: MessageQuery): Promise<readonly MessageSpan[]> {
    return await readMessages(this.#engine, query);
  }

  async topicEdges(range: TimeRange): Promise<readonly TopicEdge[]> {
    return await readTopicEdges(this.#engine, range);
  }

  async recentLogs(query: LogQuery): Promise<readonly LogData[]> {
    return await readRecentLogs(this.#engine, query);
  }

  async red(query: RedQuery): Promise<readonly RedSeries[]> {
    return await readRed(this.#engine, query);
  }

  async functionStats(range: TimeRange): Promise<readonly FunctionStats[]> {
    return await readFunctionStats(this.#engine, range);
  }

  async durationHeatmap(query: DurationHeatmapQuery): Promise<DurationHeatmap> {
    return await readDurationHeatmap(this.#engine, query);
  }

  async attributeKeys(query: AttributeKeysQuery): Promise<readonly AttributeCount[]> {
    return await readAttributeKeys(this.#engine, query);
  }

  async attributeValues(query: AttributeValuesQuery): Promise<readonly AttributeCount[]> {
    return await readAttributeValues(this.#engine, query);
  }

  async arrivalLag(traceId: string): Promise<bigint | undefined> {
    const rows = await this.#engine.rows(
      `SELECT min(toUnixTimestamp64Milli(received) * 1000000 - toUnixTimestamp64Nano(start) - toInt64(duration)), count()
       FROM spans WHERE trace_id = ${sqlTraceId(traceId)} AND received > toDateTime64(0, 3, 'UTC')`,
    );
    const [lag, count] = rows[0] ?? [];
    return count === undefined || count === '0' ? undefined : BigInt(lag as string);
  }

  until(signal: AbortSignal): StoreReader & TopicReader {
    const engine = this.#engine;
    const bound: Engine = {
      rows: (sql, options) => engine.rows(sql, { ...options, signal }),
      command: (sql) => engine.command(sql),
      insertNative: (insert) => engine.insertNative(insert),
      // It is not this one's to close.
      [Symbol.asyncDispose]: async () => {},
    };
    return new SqlReader(bound, this.#calls.through(bound));
  }

  async valueCounts(query: ValueCountsQuery): Promise<ValueCounts> {
    return await readValueCounts(this.#engine, query);
  }

  async durations(query: TraceQuery): Promise<readonly DurationPoint[]> {
    const limit = sqlInteger(query.limit, 1n, MAX_POINTS);
    const rows = await this.#engine.rows(
      `SELECT lower(hex(trace_id)), lower(hex(span_id)), service, name, toUnixTimestamp64Nano(start), duration, status = 2
       FROM spans WHERE ${await matchingSpans(this.#engine, query)} ORDER BY start DESC ${ONCE} LIMIT ${limit}`,
    );
    return rows.map((row) => ({
      traceId: row[0] as string,
      spanId: row[1] as string,
      service: row[2] as string,
      operation: row[3] as string,
      startUnixNano: BigInt(row[4] as string),
      durationNano: BigInt(row[5] as string),
      error: row[6] === 1,
    }));
  }

  async dependencies(
    range: TimeRange,
    options: { readonly topics?: boolean } = {},
  ): Promise<readonly DependencyEdge[]> {
    return await readDependencies(this.#calls, range, options.topics ?? false);
  }

  async logs(traceId: string): Promise<readonly LogData[]> {
    const rows = await this.#engine.rows(
      `SELECT ${LOG_FIELDS} FROM logs WHERE trace_id = ${sqlTraceId(traceId)} ORDER BY time ${ONCE_BY_UID} LIMIT ${MAX_LOGS}`,
    );
    const reader = new RowReader();
    return rows.map((row) => reader.toLog(row));
  }
}
