import * as names from '../../function/span/attributes.ts';
import { SPAN_KIND, STATUS_CODE, type AttributeValue, type SpanData } from '../../function/span/span-data.ts';

/** What diagnosis reads off a span, whichever generation of attribute names it uses. */

export function serviceOf(span: SpanData): string {
  return textOf(span.resource[names.SERVICE_NAME]);
}

/** Name of the function whose process made the span; '' outside functions. */
export function functionOf(span: SpanData): string {
  return (
    textOf(
      span.resource[names.FAAS_NAME] ?? (isFunctionSpan(span) ? span.attributes[names.FAAS_NAME] : undefined),
    ) || (isFunctionSpan(span) ? serviceOf(span) : '')
  );
}

export function versionOf(span: SpanData): string {
  return textOf(span.resource[names.FAAS_VERSION] ?? span.attributes[names.FAAS_VERSION]);
}

export function instanceOf(span: SpanData): string {
  return textOf(span.resource[names.FAAS_INSTANCE] ?? span.attributes[names.FAAS_INSTANCE]);
}

/** The span of one invocation, made by the function's own process. */
export function isFunctionSpan(span: SpanData): boolean {
  return (
    span.kind === SPAN_KIND.server &&
    (names.FAAS_TRIGGER in span.attributes || names.FAAS_NAME in span.resource)
  );
}

/** A try to run a function, as its caller sees it: `invoke NAME`. */
export function isInvoke(span: SpanData): boolean {
  return span.kind === SPAN_KIND.client && names.FAAS_INVOKED_NAME in span.attributes;
}

export function invokedOf(span: SpanData): string {
  return textOf(span.attributes[names.FAAS_INVOKED_NAME]);
}

export function topicOf(span: SpanData): string {
  return textOf(
    span.attributes[names.MESSAGING_DESTINATION_NAME] ?? span.attributes['messaging.destination'],
  );
}

export function partitionOf(span: SpanData): string {
  return textOf(
    span.attributes[names.MESSAGING_DESTINATION_PARTITION_ID] ??
      span.attributes['messaging.kafka.destination.partition'] ??
      span.attributes['messaging.kafka.partition'],
  );
}

export function offsetOf(span: SpanData): string {
  return textOf(
    span.attributes[names.MESSAGING_KAFKA_OFFSET] ?? span.attributes['messaging.kafka.message.offset'],
  );
}

export function groupOf(span: SpanData): string {
  return textOf(
    span.attributes[names.MESSAGING_CONSUMER_GROUP_NAME] ??
      span.attributes['messaging.kafka.consumer.group'] ??
      span.attributes['messaging.kafka.consumer_group'],
  );
}

export function isError(span: SpanData): boolean {
  return span.status.code === STATUS_CODE.error;
}

export function isUnfinished(span: SpanData): boolean {
  return span.attributes[names.SPOOR_UNFINISHED] === true;
}

/** 1 for a first try; 0 when the span is no try. */
export function attemptOf(span: SpanData): number {
  return numberOf(span.attributes[names.SPOOR_ATTEMPT]) ?? 0;
}

export function httpStatusOf(span: SpanData): number | undefined {
  return numberOf(span.attributes[names.HTTP_RESPONSE_STATUS_CODE] ?? span.attributes['http.status_code']);
}

/** Whom a CLIENT span called: `host:port`, else what stands for it; '' when the span does not say. */
export function peerOf(span: SpanData): string {
  const address = textOf(span.attributes[names.SERVER_ADDRESS] ?? span.attributes['net.peer.name']);
  const port = textOf(span.attributes[names.SERVER_PORT] ?? span.attributes['net.peer.port']);
  if (address !== '') return port === '' ? address : `${address}:${port}`;
  const url = textOf(span.attributes[names.URL_FULL] ?? span.attributes['http.url']);
  if (URL.canParse(url)) return new URL(url).host;
  return textOf(
    span.attributes['peer.service'] ?? span.attributes['db.system.name'] ?? span.attributes['db.system'],
  );
}

export function durationOf(span: SpanData): bigint {
  const nano = span.endTimeUnixNano - span.startTimeUnixNano;
  return nano > 0n ? nano : 0n;
}

/** No earlier than its start, whatever its clock said. */
export function endOf(span: SpanData): bigint {
  return span.endTimeUnixNano > span.startTimeUnixNano ? span.endTimeUnixNano : span.startTimeUnixNano;
}

export function textOf(value: AttributeValue | undefined): string {
  if (typeof value === 'string') return value;
  return typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}

export function numberOf(value: AttributeValue | undefined): number | undefined {
  if (typeof value === 'bigint' || typeof value === 'number') return Number(value);
  if (typeof value !== 'string' || value === '') return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

export function compareBigInt(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
