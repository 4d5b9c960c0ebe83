import {
  context as contextApi,
  type Context,
  SpanKind,
  SpanStatusCode,
  trace,
  type TextMapPropagator,
  type Tracer,
  defaultTextMapSetter,
} from '@opentelemetry/api';
import type { IncomingMessage, RequestOptions } from 'node:http';
import {
  ERROR_TYPE,
  MESSAGING_DESTINATION_NAME,
  MESSAGING_DESTINATION_PARTITION_ID,
  MESSAGING_KAFKA_MESSAGE_KEY,
  MESSAGING_KAFKA_OFFSET,
  MESSAGING_MESSAGE_BODY_SIZE,
  MESSAGING_OPERATION_NAME,
  MESSAGING_OPERATION_TYPE,
  MESSAGING_SYSTEM,
} from '../../span/attributes.ts';
import { suppressTracing } from '../../span/suppress.ts';
import { exceptionOf } from './exception-of.ts';
import { http } from './http.ts';

export interface PublishOptions {
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Where the record stands now. `timestamp` is in Unix ms. */
export interface Published {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number | string;
  readonly timestamp: number;
  /** `messaging.system`: what keeps the platform's topics. */
  readonly system?: string;
}

/** `invocation` is the context to fall back on where no span is active. Rejects with an Error that says why. */
export type Publish = (
  invocation: Context,
  topic: string,
  value: unknown,
  options?: PublishOptions,
) => Promise<Published>;

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024;

/** A record goes to the platform's internal listener (docs/instance.md), below a PRODUCER span whose context goes with it. */
export function openPublisher(options: {
  readonly internalUrl: string | undefined;
  readonly tracer: Tracer;
  readonly propagator: TextMapPropagator;
}): Publish {
  const { internalUrl, tracer, propagator } = options;
  return async (invocation, topic, value, { key, headers = {} } = {}) => {
    if (internalUrl === undefined)
      throw new Error(
        `cannot publish to topic [${topic}]: SPOOR_INTERNAL_URL is not set, so there is no queue to send it to`,
      );
    if (typeof topic !== 'string' || topic === '')
      throw new TypeError(`cannot publish to topic [${JSON.stringify(topic)}]: it must have a name`);
    const { bytes, type } = encode(topic, value);
    const active = contextApi.active();
    const parent = trace.getSpan(active) ? active : invocation;
    const span = tracer.startSpan(
      `send ${topic}`,
      {
        kind: SpanKind.PRODUCER,
        attributes: {
          [MESSAGING_SYSTEM]: 'spoor',
          [MESSAGING_OPERATION_NAME]: 'send',
          [MESSAGING_OPERATION_TYPE]: 'send',
          [MESSAGING_DESTINATION_NAME]: topic,
          [MESSAGING_MESSAGE_BODY_SIZE]: bytes.length,
          ...(key === undefined ? {} : { [MESSAGING_KAFKA_MESSAGE_KEY]: key }),
        },
      },
      parent,
    );
    try {
      const requestHeaders: Record<string, string> = {
        'content-type': type,
        'content-length': String(bytes.length),
        'x-spoor-producer': 'span',
      };
      if (key !== undefined) requestHeaders['x-record-key'] = headerValue(key);
      for (const [name, each] of Object.entries(headers))
        requestHeaders[`x-record-header-${name}`] = headerValue(String(each));
      const carrier = trace.setSpan(parent, span);
      propagator.inject(carrier, requestHeaders, defaultTextMapSetter);
      const url = new URL(`${internalUrl}/topics/${encodeURIComponent(topic)}`);
      // Our request to the queue is no call of the function's: it gets no CLIENT span.
      const published = await contextApi.with(suppressTracing(carrier), () =>
        post(url, requestHeaders, bytes),
      );
      span.setAttributes({
        ...(published.system === undefined ? {} : { [MESSAGING_SYSTEM]: published.system }),
        [MESSAGING_DESTINATION_PARTITION_ID]: String(published.partition),
        [MESSAGING_KAFKA_OFFSET]: Number(published.offset),
      });
      return published;
    } catch (cause) {
      const error = new Error(`cannot publish to topic [${topic}]: ${(cause as Error).message}`, { cause });
      span.recordException(exceptionOf(error));
      span.setAttribute(ERROR_TYPE, (cause as NodeJS.ErrnoException).code ?? error.name);
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
      throw error;
    } finally {
      span.end();
    }
  };
}

function encode(topic: string, value: unknown): { bytes: Uint8Array; type: string } {
  if (typeof value === 'string')
    return { bytes: Buffer.from(value, 'utf8'), type: 'text/plain; charset=utf-8' };
  if (ArrayBuffer.isView(value))
    return {
      bytes: new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
      type: 'application/octet-stream',
    };
  const json = value === undefined || value === null ? undefined : JSON.stringify(value);
  if (json === undefined)
    throw new TypeError(
      `cannot publish ${String(value)} to topic [${topic}]: give a string, a Buffer or a value for JSON`,
    );
  return { bytes: Buffer.from(json, 'utf8'), type: 'application/json' };
}

/** Header fields are bytes: UTF-8 goes through as such (the receiver takes the field's bytes as they are). */
function headerValue(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function post(url: URL, headers: Record<string, string>, bytes: Uint8Array): Promise<Published> {
  const { request } = url.protocol === 'https:' ? process.getBuiltinModule('node:https') : http;
  return new Promise((resolve, reject) => {
    const options: RequestOptions = { method: 'POST', headers, timeout: TIMEOUT_MS };
    const outgoing = request(url, options, (answer) => {
      readAnswer(answer).then(resolve, reject);
    });
    outgoing.once('timeout', () =>
      outgoing.destroy(new Error(`no answer from the queue within ${TIMEOUT_MS} ms`)),
    );
    outgoing.once('error', reject);
    outgoing.end(bytes);
  });
}

async function readAnswer(answer: IncomingMessage): Promise<Published> {
  let text = '';
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    if (text.length > MAX_ANSWER_BYTES) throw new Error('the answer of the queue is too long');
  }
  if (answer.statusCode !== 200)
    throw new Error(`the queue answered ${answer.statusCode}: ${text.slice(0, 500)}`);
  try {
    return JSON.parse(text) as Published;
  } catch (error) {
    throw new Error(`the answer of the queue is not JSON: ${text.slice(0, 100)}`, { cause: error });
  }
}
