import { SERVICE_NAME } from '../../function/span/attributes.ts';
import type { Attributes, InstrumentationScope, SpanData } from '../../function/span/span-data.ts';
import { AttributesColumn } from './attributes-column.ts';
import {
  ArrayColumn,
  ByteDictionary,
  ByteSink,
  encodeBlock,
  FixedColumn,
  LowCardinalityColumn,
  StringColumn,
  type Column,
  type MarkLevel,
  type NamedColumn,
} from './native-columns.ts';
import { MAX_TIME_UNIX_NANO } from './sql-literal.ts';
import { attributesJson } from './value-text.ts';

/**
 * Spans as columns, in the making: what a decoder fills straight from the wire and the store inserts as one Native block.
 *
 *   columns.mark(1)                            a request begins
 *     columns.useResource(..); useScope(..)    once for all their spans
 *     columns.mark(0)                          a span begins
 *     columns.attributes.key(..) .bytes(..)    its attributes, events, links, as they come
 *     columns.spanTimes(..); traceId.copy(..)  its times, ids and name, when all are known to be good
 *     columns.endSpan(..)                      or rollback(0): the span was never there
 *   columns.rollback(1)                        or the whole request was never there
 */
export class SpanColumns {
  rows = 0;
  readonly traceId = new FixedColumn('FixedString(16)', 16);
  readonly spanId = new FixedColumn('FixedString(8)', 8);
  readonly parentSpanId = new FixedColumn('FixedString(8)', 8);
  readonly service = new LowCardinalityColumn();
  readonly name = new LowCardinalityColumn();
  readonly kind = new FixedColumn('UInt8', 1);
  readonly status = new FixedColumn('UInt8', 1);
  readonly statusMessage = new LowCardinalityColumn();
  readonly start = new FixedColumn("DateTime64(9, 'UTC')", 8);
  readonly duration = new FixedColumn('UInt64', 8);
  readonly attributes = new AttributesColumn(new LowCardinalityColumn());
  readonly resource = new LowCardinalityColumn();
  readonly scopeName = new LowCardinalityColumn();
  readonly scopeVersion = new LowCardinalityColumn();
  readonly scopeAttributes = new LowCardinalityColumn();
  readonly eventTime = new ArrayColumn(new FixedColumn("DateTime64(9, 'UTC')", 8));
  readonly eventName = new ArrayColumn(new LowCardinalityColumn(), this.eventTime.offsets);
  readonly eventAttributes = new AttributesColumn(new StringColumn());
  readonly eventDropped = new ArrayColumn(new FixedColumn('UInt32', 4), this.eventTime.offsets);
  readonly linkTraceId = new ArrayColumn(new FixedColumn('FixedString(16)', 16));
  readonly linkSpanId = new ArrayColumn(new FixedColumn('FixedString(8)', 8), this.linkTraceId.offsets);
  readonly linkTraceState = new ArrayColumn(new StringColumn(), this.linkTraceId.offsets);
  readonly linkFlags = new ArrayColumn(new FixedColumn('UInt32', 4), this.linkTraceId.offsets);
  readonly linkAttributes = new AttributesColumn(new StringColumn());
  readonly linkDropped = new ArrayColumn(new FixedColumn('UInt32', 4), this.linkTraceId.offsets);
  readonly traceState = new LowCardinalityColumn();
  readonly flags = new FixedColumn('UInt32', 4);
  readonly droppedAttributes = new FixedColumn('UInt32', 4);
  readonly droppedEvents = new FixedColumn('UInt32', 4);
  readonly droppedLinks = new FixedColumn('UInt32', 4);

  readonly #eventAttributesMap = new ArrayColumn(this.eventAttributes.map, this.eventTime.offsets);
  readonly #eventAttributesTypes = new ArrayColumn(this.eventAttributes.types, this.eventTime.offsets);
  readonly #linkAttributesMap = new ArrayColumn(this.linkAttributes.map, this.linkTraceId.offsets);
  readonly #linkAttributesTypes = new ArrayColumn(this.linkAttributes.types, this.linkTraceId.offsets);
  #serviceId = 0;
  #resourceId = 0;
  #scopeNameId = 0;
  #scopeVersionId = 0;
  #scopeAttributesId = 0;
  #events = 0;
  #links = 0;
  readonly #linkMarks: [number, number] = [0, 0];
  readonly #rowMarks: [number, number] = [0, 0];

  readonly named: readonly NamedColumn[] = [
    { name: 'trace_id', column: this.traceId },
    { name: 'span_id', column: this.spanId },
    { name: 'parent_span_id', column: this.parentSpanId },
    { name: 'service', column: this.service },
    { name: 'name', column: this.name },
    { name: 'kind', column: this.kind },
    { name: 'status', column: this.status },
    { name: 'status_message', column: this.statusMessage },
    { name: 'start', column: this.start },
    { name: 'duration', column: this.duration },
    { name: 'attributes', column: this.attributes.map },
    { name: 'attribute_types', column: this.attributes.types },
    { name: 'resource', column: this.resource },
    { name: 'scope_name', column: this.scopeName },
    { name: 'scope_version', column: this.scopeVersion },
    { name: 'scope_attributes', column: this.scopeAttributes },
    { name: 'events.time', column: this.eventTime },
    { name: 'events.name', column: this.eventName },
    { name: 'events.attributes', column: this.#eventAttributesMap },
    { name: 'events.attribute_types', column: this.#eventAttributesTypes },
    { name: 'events.dropped_attributes', column: this.eventDropped },
    { name: 'links.trace_id', column: this.linkTraceId },
    { name: 'links.span_id', column: this.linkSpanId },
    { name: 'links.trace_state', column: this.linkTraceState },
    { name: 'links.flags', column: this.linkFlags },
    { name: 'links.attributes', column: this.#linkAttributesMap },
    { name: 'links.attribute_types', column: this.#linkAttributesTypes },
    { name: 'links.dropped_attributes', column: this.linkDropped },
    { name: 'trace_state', column: this.traceState },
    { name: 'flags', column: this.flags },
    { name: 'dropped_attributes', column: this.droppedAttributes },
    { name: 'dropped_events', column: this.droppedEvents },
    { name: 'dropped_links', column: this.droppedLinks },
  ];
  readonly #columns: readonly Column[] = this.named.map(({ column }) => column);
  /** What a mark must look at: the others are cut by their count of rows. */
  readonly #markedColumns: readonly Column[] = [
    this.attributes.map,
    this.#eventAttributesMap,
    this.#linkAttributesMap,
    this.linkTraceState,
  ];
  /** The wire bytes of resources and scopes seen in this block, and what was made of them. */
  readonly #resourceBytes = new ByteDictionary();
  readonly #resources: (readonly [service: number, resource: number])[] = [];
  readonly #scopeBytes = new ByteDictionary();
  readonly #scopes: (readonly [name: number, version: number, attributes: number])[] = [];
  readonly #block = new ByteSink(1 << 16);
  /** Links in the block. */
  links = 0;

  /** As `useResource`, decoded only when these bytes are new to the block: senders say the same with every request. */
  useResourceBytes(source: Uint8Array, start: number, end: number, decode: () => Attributes): void {
    const known = this.#resourceBytes.find(source, start, end);
    if (known >= 0) {
      [this.#serviceId, this.#resourceId] = this.#resources[known] as readonly [number, number];
      return;
    }
    this.useResource(decode());
    if (end - start > MAX_REMEMBERED_BYTES) return;
    this.#resources[this.#resourceBytes.idOf(source, start, end)] = [this.#serviceId, this.#resourceId];
  }

  useScopeBytes(source: Uint8Array, start: number, end: number, decode: () => InstrumentationScope): void {
    const known = this.#scopeBytes.find(source, start, end);
    if (known >= 0) {
      [this.#scopeNameId, this.#scopeVersionId, this.#scopeAttributesId] = this.#scopes[known] as readonly [
        number,
        number,
        number,
      ];
      return;
    }
    this.useScope(decode());
    if (end - start > MAX_REMEMBERED_BYTES) return;
    this.#scopes[this.#scopeBytes.idOf(source, start, end)] = [
      this.#scopeNameId,
      this.#scopeVersionId,
      this.#scopeAttributesId,
    ];
  }

  useResource(resource: Attributes): void {
    const service = resource[SERVICE_NAME];
    const name = typeof service === 'string' && service !== '' ? service : UNKNOWN_SERVICE;
    this.#serviceId = this.service.idOfText(name.toWellFormed());
    this.#resourceId = this.resource.idOfText(attributesJson(resource));
  }

  useScope(scope: InstrumentationScope): void {
    this.#scopeNameId = this.scopeName.idOfText(scope.name.toWellFormed());
    this.#scopeVersionId = this.scopeVersion.idOfText(scope.version.toWellFormed());
    this.#scopeAttributesId = this.scopeAttributes.idOfText(attributesJson(scope.attributes ?? {}));
  }

  /**
   * Gives the row its times, each a u64 of nanoseconds by halves. A span that ends before it starts lasts 0; a start past
   * the year 2100 is kept as 2100.
   */
  spanTimes(startLow: number, startHigh: number, endLow: number, endHigh: number): void {
    this.service.id(this.#serviceId);
    this.resource.id(this.#resourceId);
    this.scopeName.id(this.#scopeNameId);
    this.scopeVersion.id(this.#scopeVersionId);
    this.scopeAttributes.id(this.#scopeAttributesId);
    addTime(this.start, startLow, startHigh);
    const low = endLow - startLow;
    const high = endHigh - startHigh - (low < 0 ? 1 : 0);
    if (high < 0) this.duration.u64(0, 0);
    else this.duration.u64(low, high);
  }

  /** After the attributes of an event are in `eventAttributes`. */
  closeEvent(timeLow: number, timeHigh: number, dropped: number): void {
    addTime(this.eventTime.item, timeLow, timeHigh);
    this.eventAttributes.closeRow();
    this.eventDropped.item.u32(dropped);
    this.#events += 1;
  }

  /** After its ids and trace state are in the link columns and its attributes in `linkAttributes`. */
  closeLink(flags: number, dropped: number): void {
    this.linkAttributes.closeRow();
    this.linkFlags.item.u32(flags);
    this.linkDropped.item.u32(dropped);
    this.#links += 1;
  }

  /** Closes the row; every other column has had its value by now. */
  endSpan(): void {
    this.attributes.closeRow();
    this.eventTime.offsets.add(this.#events);
    this.linkTraceId.offsets.add(this.#links);
    this.rows += 1;
    this.links += this.#links;
    this.#events = 0;
    this.#links = 0;
  }

  /** Roughly the bytes held, for limits. */
  get byteLength(): number {
    return (
      this.rows * BYTES_PER_ROW +
      this.attributes.map.byteLength +
      this.eventAttributes.map.byteLength +
      this.linkAttributes.map.byteLength +
      this.statusMessage.byteLength +
      this.resource.byteLength
    );
  }

  /** Whether a span may have something of what most lack, and `more` keeps (sql/013-rare-fields-together.sql). */
  get hasRare(): boolean {
    return (
      this.eventTime.offsets.total > 0 ||
      this.links > 0 ||
      !isAlwaysEmpty(this.traceState) ||
      !isAlwaysEmpty(this.scopeAttributes) ||
      !isAllZero(this.droppedAttributes) ||
      !isAllZero(this.droppedEvents) ||
      !isAllZero(this.droppedLinks)
    );
  }

  mark(level: MarkLevel): void {
    for (const column of this.#markedColumns) column.mark(level);
    this.#rowMarks[level] = this.rows;
    this.#linkMarks[level] = this.links;
  }

  rollback(level: MarkLevel): void {
    this.rows = this.#rowMarks[level];
    this.links = this.#linkMarks[level];
    for (const column of this.#columns) column.rollback(level, this.rows);
    this.#dropOpenSpan();
  }

  /** Empty again, with the memory it grew. */
  clear(): void {
    for (const column of this.#columns) column.clear();
    this.#resourceBytes.clear();
    this.#scopeBytes.clear();
    this.rows = 0;
    this.links = 0;
    this.#dropOpenSpan();
  }

  #dropOpenSpan(): void {
    this.attributes.dropOpenRow();
    this.eventAttributes.dropOpenRow();
    this.linkAttributes.dropOpenRow();
    this.#events = 0;
    this.#links = 0;
  }

  /** The block as bytes, good until this is cleared or encoded again. */
  encode(): Buffer {
    return encodeBlock(this.rows, this.named, this.#block);
  }

  /** A span that is plain data already. */
  addSpan(span: SpanData): void {
    this.useResource(span.resource);
    this.useScope(span.scope);
    this.spanTimes(...halves(span.startTimeUnixNano), ...halves(span.endTimeUnixNano));
    this.traceId.copy(Buffer.from(span.traceId, 'hex'), 0, 16);
    this.spanId.copy(Buffer.from(span.spanId, 'hex'), 0, 8);
    if (span.parentSpanId === '') this.parentSpanId.zeros(8);
    else this.parentSpanId.copy(Buffer.from(span.parentSpanId, 'hex'), 0, 8);
    this.name.text(span.name.toWellFormed());
    this.kind.u8(span.kind);
    this.status.u8(span.status.code);
    this.statusMessage.text(span.status.message.toWellFormed());
    this.attributes.addAll(span.attributes);
    this.traceState.text(span.traceState.toWellFormed());
    this.flags.u32(span.flags);
    this.droppedAttributes.u32(span.droppedAttributesCount);
    this.droppedEvents.u32(span.droppedEventsCount);
    this.droppedLinks.u32(span.droppedLinksCount);
    for (const event of span.events) {
      this.eventName.item.text(event.name.toWellFormed());
      this.eventAttributes.addAll(event.attributes);
      this.closeEvent(...halves(event.timeUnixNano), event.droppedAttributesCount);
    }
    for (const link of span.links) {
      this.linkTraceId.item.copy(Buffer.from(link.traceId, 'hex'), 0, 16);
      this.linkSpanId.item.copy(Buffer.from(link.spanId, 'hex'), 0, 8);
      this.linkTraceState.item.text(link.traceState.toWellFormed());
      this.linkAttributes.addAll(link.attributes);
      this.closeLink(link.flags, link.droppedAttributesCount);
    }
    this.endSpan();
  }
}

/** What a span is called whose resource names no service, as OpenTelemetry's SDKs do. */
export const UNKNOWN_SERVICE = 'unknown_service';

/** Ids, times, and an index or offset in each of the other columns. */
const BYTES_PER_ROW = 260;

/** A larger resource or scope is decoded each time. */
const MAX_REMEMBERED_BYTES = 16_384;

const MAX_TIME_HIGH = Number(MAX_TIME_UNIX_NANO >> 32n);
const MAX_TIME_LOW = Number(MAX_TIME_UNIX_NANO & 0xffff_ffffn);

export function addTime(column: FixedColumn, low: number, high: number): void {
  if (high >= MAX_TIME_HIGH) column.u64(MAX_TIME_LOW, MAX_TIME_HIGH);
  else column.u64(low, high);
}

/** A u64 as [low, high]; what lies outside is held at the ends. */
export function halves(value: bigint): [number, number] {
  const held = value < 0n ? 0n : value > 0xffff_ffff_ffff_ffffn ? 0xffff_ffff_ffff_ffffn : value;
  return [Number(held & 0xffff_ffffn), Number(held >> 32n)];
}

function isAlwaysEmpty(column: LowCardinalityColumn): boolean {
  return column.keys === 1 && column.findText('') === 0;
}

function isAllZero(column: FixedColumn): boolean {
  const bytes = column.sink.bytes();
  // Each byte is the same as the one before it, and the first is zero.
  return bytes[0] === 0 && bytes.compare(bytes, 0, bytes.length - 1, 1, bytes.length) === 0;
}
