import { SERVICE_NAME } from '../../function/span/attributes.ts';
import type { LogData } from '../../function/span/span-data.ts';
import { AttributesColumn } from './attributes-column.ts';
import {
  encodeBlock,
  FixedColumn,
  LowCardinalityColumn,
  StringColumn,
  type NamedColumn,
} from './native-columns.ts';
import { addTime, halves, UNKNOWN_SERVICE } from './span-columns.ts';
import { attributesJson, toTypedJson } from './value-text.ts';

/** Log records as columns: fewer than spans and never on the hot path, so they come from plain data. */
export class LogColumns {
  rows = 0;
  readonly #traceId = new FixedColumn('FixedString(16)', 16);
  readonly #spanId = new FixedColumn('FixedString(8)', 8);
  readonly #time = new FixedColumn("DateTime64(9, 'UTC')", 8);
  readonly #observedTime = new FixedColumn("DateTime64(9, 'UTC')", 8);
  readonly #severityNumber = new FixedColumn('UInt8', 1);
  readonly #severityText = new LowCardinalityColumn();
  readonly #service = new LowCardinalityColumn();
  readonly #body = new StringColumn();
  readonly #attributes = new AttributesColumn(new StringColumn());
  readonly #resource = new LowCardinalityColumn();
  readonly #scopeName = new LowCardinalityColumn();
  readonly #scopeVersion = new LowCardinalityColumn();
  readonly #scopeAttributes = new LowCardinalityColumn();

  readonly named: readonly NamedColumn[] = [
    { name: 'trace_id', column: this.#traceId },
    { name: 'span_id', column: this.#spanId },
    { name: 'time', column: this.#time },
    { name: 'observed_time', column: this.#observedTime },
    { name: 'severity_number', column: this.#severityNumber },
    { name: 'severity_text', column: this.#severityText },
    { name: 'service', column: this.#service },
    { name: 'body', column: this.#body },
    { name: 'attributes', column: this.#attributes.map },
    { name: 'attribute_types', column: this.#attributes.types },
    { name: 'resource', column: this.#resource },
    { name: 'scope_name', column: this.#scopeName },
    { name: 'scope_version', column: this.#scopeVersion },
    { name: 'scope_attributes', column: this.#scopeAttributes },
  ];

  addLog(log: LogData): void {
    const service = log.resource[SERVICE_NAME];
    this.#traceId.copy(idBytes(log.traceId, 16), 0, 16);
    this.#spanId.copy(idBytes(log.spanId, 8), 0, 8);
    // A record without a time of its own has the time it was observed (logs.proto, time_unix_nano).
    const time = log.timeUnixNano === 0n ? log.observedTimeUnixNano : log.timeUnixNano;
    addTime(this.#time, ...halves(time));
    addTime(this.#observedTime, ...halves(log.observedTimeUnixNano));
    this.#severityNumber.u8(log.severityNumber);
    this.#severityText.text(log.severityText.toWellFormed());
    this.#service.text((typeof service === 'string' && service ? service : UNKNOWN_SERVICE).toWellFormed());
    this.#body.text(log.body === undefined ? '' : toTypedJson(log.body));
    this.#attributes.addAll(log.attributes);
    this.#attributes.closeRow();
    this.#resource.text(attributesJson(log.resource));
    this.#scopeName.text(log.scope.name.toWellFormed());
    this.#scopeVersion.text(log.scope.version.toWellFormed());
    this.#scopeAttributes.text(attributesJson(log.scope.attributes ?? {}));
    this.rows += 1;
  }

  encode(): Buffer {
    return encodeBlock(this.rows, this.named);
  }
}

function idBytes(hex: string, size: number): Uint8Array {
  const bytes = Buffer.alloc(size);
  bytes.write(hex, 'hex');
  return bytes;
}
