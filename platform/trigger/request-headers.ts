import type { QueueRecord } from '../queue/queue.ts';
import { isContextHeader } from '../queue/record-headers.ts';
import type { MessageQueueTrigger } from '../spec/resources.ts';

/** HTTP servers refuse requests whose headers pass 16 KiB or so; the record's own get this much of it. */
const MAX_RECORD_HEADER_BYTES = 8 * 1024;
const MAX_KEY_BYTES = 2 * 1024;

/**
 * The record as request headers. Record headers keep their names when HTTP can say them: name a token, value visible ASCII.
 * All others stand byte for byte in X-Record-Binary-Headers, a JSON list of `[name, base64]` (Fission's trigger would have
 * its whole request refused, KEDA's connector drops them). The trace context is not among them: the attempt has its own.
 */
export function recordRequestHeaders(
  record: QueueRecord,
  trigger: MessageQueueTrigger,
): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  const contentType = addRecordHeaders(headers, record);
  // Fission's own trigger sets its content type over the record's; KEDA's connector lets the record's win.
  const { mqtkind } = trigger.spec;
  headers['Content-Type'] =
    (mqtkind === 'keda' && contentType) || trigger.spec.contentType || 'application/json';
  return Object.assign(headers, triggerHeaders(trigger), positionHeaders(record));
}

export function triggerHeaders(trigger: MessageQueueTrigger): Record<string, string> {
  const { topic, respTopic, errorTopic, mqtkind } = trigger.spec;
  return mqtkind === 'keda'
    ? {
        'KEDA-Topic': topic,
        'KEDA-Response-Topic': respTopic,
        'KEDA-Error-Topic': errorTopic,
        'KEDA-Source-Name': trigger.metadata.name,
      }
    : {
        'X-Fission-MQTrigger-Topic': topic,
        'X-Fission-MQTrigger-RespTopic': respTopic,
        'X-Fission-MQTrigger-ErrorTopic': errorTopic,
      };
}

function positionHeaders(record: QueueRecord): Record<string, string> {
  const headers: Record<string, string> = {
    'X-Record-Topic': record.topic,
    'X-Record-Partition': String(record.partition),
    'X-Record-Offset': String(record.offset),
    'X-Record-Timestamp': String(record.timestamp),
  };
  if (record.value === null) headers['X-Record-Tombstone'] = 'true';
  if (record.key === null) return headers;
  if (record.key.length > MAX_KEY_BYTES) headers['X-Record-Key-Bytes'] = String(record.key.length);
  else if (isVisible(record.key)) headers['X-Record-Key'] = record.key.toString('latin1');
  else headers['X-Record-Key-Base64'] = record.key.toString('base64');
  return headers;
}

/** Returns the record's own content type, if it has one that can be said. */
function addRecordHeaders(
  headers: Record<string, string | string[]>,
  record: QueueRecord,
): string | undefined {
  const binary: [string, string][] = [];
  let contentType: string | undefined;
  let bytes = 0;
  let omitted = 0;
  for (const [name, value] of record.headers) {
    if (isContextHeader(name)) continue;
    bytes += name.length + value.length + 4;
    if (bytes > MAX_RECORD_HEADER_BYTES) {
      omitted += 1;
      continue;
    }
    const lower = name.toLowerCase();
    if (!TOKEN.test(name) || !isVisible(value) || isReserved(lower)) {
      binary.push([name, value.toString('base64')]);
    } else if (lower === 'content-type') {
      contentType = value.toString('latin1');
    } else {
      append(headers, lower, value.toString('latin1'));
    }
  }
  if (binary.length > 0) headers['X-Record-Binary-Headers'] = asciiJson(binary);
  if (omitted > 0) headers['X-Record-Headers-Omitted'] = String(omitted);
  return contentType;
}

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;

/** Names that would change the request itself, or speak for the platform. */
function isReserved(lower: string): boolean {
  return RESERVED.has(lower) || /^(x-fission-|x-spoor-|x-record-|keda-|x-forwarded-|proxy-)/.test(lower);
}

const RESERVED = new Set([
  'connection',
  'content-length',
  'content-encoding',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  '__proto__',
]);

/** Visible ASCII, space and tab, and no space at the ends, which HTTP would trim. */
function isVisible(value: Buffer): boolean {
  for (const byte of value) if ((byte < 0x20 && byte !== 9) || byte > 0x7e) return false;
  const isSpace = (byte: number | undefined) => byte === 0x20 || byte === 9;
  return !isSpace(value[0]) && !isSpace(value.at(-1));
}

function append(headers: Record<string, string | string[]>, name: string, value: string): void {
  const before = headers[name];
  headers[name] = before === undefined ? value : [...(typeof before === 'string' ? [before] : before), value];
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
