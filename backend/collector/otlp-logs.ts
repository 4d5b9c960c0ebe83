import type {
  Attributes,
  AttributeValue,
  InstrumentationScope,
  LogData,
} from '../../function/span/span-data.ts';
import { decodeScope } from './otlp-traces.ts';
import { decodeAnyValue, decodeAttributes, decodeKeyValue, nested } from './otlp-values.ts';
import { FIXED64, LENGTH, VARINT, WireReader } from './wire.ts';

/**
 * ExportLogsServiceRequest { repeated ResourceLogs resource_logs = 1 }
 * ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2 }
 * ScopeLogs { InstrumentationScope scope = 1; repeated LogRecord log_records = 2 }
 * (opentelemetry-proto logs/v1/logs.proto)
 */
export function decodeLogs(body: Buffer): readonly LogData[] {
  const reader = new WireReader(body);
  const logs: LogData[] = [];
  eachNested(reader, 1, () => {
    const resource = readFirst<Attributes>(reader, 1, {}, () => decodeAttributes(reader, 1));
    eachNested(reader, 2, () => {
      const scope = readFirst<InstrumentationScope>(reader, 1, { name: '', version: '' }, () =>
        decodeScope(reader),
      );
      eachNested(reader, 2, () => logs.push(decodeLog(reader, resource, scope)));
    });
  });
  return logs;
}

/**
 * LogRecord { fixed64 time_unix_nano = 1; SeverityNumber severity_number = 2; string severity_text = 3; AnyValue body = 5;
 *             repeated KeyValue attributes = 6; bytes trace_id = 9; bytes span_id = 10; fixed64 observed_time_unix_nano = 11 }
 */
function decodeLog(reader: WireReader, resource: Attributes, scope: InstrumentationScope): LogData {
  const attributes: Record<string, AttributeValue> = {};
  let [timeUnixNano, observedTimeUnixNano] = [0n, 0n];
  let [severityNumber, severityText, traceId, spanId] = [0, '', '', ''];
  let body: AttributeValue | undefined;
  while (reader.next()) {
    const { field, wireType } = reader;
    if (field === 1 && wireType === FIXED64) timeUnixNano = time(reader);
    else if (field === 2 && wireType === VARINT) severityNumber = reader.varint32();
    else if (field === 3 && wireType === LENGTH) severityText = reader.text();
    else if (field === 5 && wireType === LENGTH) body = nested(reader, () => decodeAnyValue(reader, 0));
    else if (field === 6 && wireType === LENGTH) nested(reader, () => decodeKeyValue(reader, attributes, 0));
    else if (field === 9 && wireType === LENGTH) traceId = id(reader, 16);
    else if (field === 10 && wireType === LENGTH) spanId = id(reader, 8);
    else if (field === 11 && wireType === FIXED64) observedTimeUnixNano = time(reader);
    else reader.skip();
  }
  return {
    timeUnixNano,
    observedTimeUnixNano,
    severityNumber: severityNumber > 24 ? 0 : severityNumber,
    severityText,
    body,
    traceId,
    spanId,
    attributes,
    resource,
    scope,
  };
}

function time(reader: WireReader): bigint {
  reader.fixed64();
  return (BigInt(reader.high) << 32n) | BigInt(reader.low);
}

/** Hex; '' for an id of another length or of zeros: the line is kept, it belongs to no span we know of. */
function id(reader: WireReader, size: number): string {
  const end = reader.span();
  const hex = reader.bytes.toString('hex', reader.at, end);
  reader.at = end;
  return hex.length === size * 2 && /[^0]/.test(hex) ? hex : '';
}

/** Each message in a field of this one, whatever stands between. */
function eachNested(reader: WireReader, field: number, read: () => void): void {
  const { at } = reader;
  reader.at = at;
  while (reader.next()) {
    if (reader.field === field && reader.wireType === LENGTH) nested(reader, read);
    else reader.skip();
  }
}

/** A field that may stand anywhere in this message; leaves the reader where it was. */
function readFirst<T>(reader: WireReader, field: number, absent: T, read: () => T): T {
  const { at } = reader;
  let value = absent;
  eachNested(reader, field, () => {
    value = read();
  });
  reader.at = at;
  return value;
}
