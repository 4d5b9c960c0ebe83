import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { http } from './http.ts';
import { typeForWord } from './media-type.ts';
import type { FunctionRequest } from './function-request.ts';

/** A response as functions written for Fission know it: Node's own, with what they use of Express on top. */
export class FunctionResponse extends http.ServerResponse<FunctionRequest> {
  readonly locals: Record<string, unknown> = {};
  /** The function has given its answer: what follows is only the sending of it. */
  functionDone = false;
  owner: ResponseOwner | undefined;

  override end(...args: unknown[]): this {
    this.owner?.answering();
    return super.end(...(args as unknown as Parameters<ServerResponse['end']>));
  }

  /** Throws RangeError when `code` is no HTTP status. */
  status(code: number | string): this {
    const status = Number(code);
    if (!Number.isInteger(status) || status < 100 || status > 999)
      throw new RangeError(
        `cannot answer with the status [${String(code)}]: it must be a number from 100 to 999`,
      );
    this.statusCode = status;
    return this;
  }

  /** An array repeats the header. */
  set(name: string | Record<string, HeaderValue>, value?: HeaderValue): this {
    if (typeof name === 'object') {
      for (const [key, each] of Object.entries(name)) this.set(key, each);
      return this;
    }
    this.setHeader(name, Array.isArray(value) ? value.map(String) : String(value));
    return this;
  }

  header(name: string | Record<string, HeaderValue>, value?: HeaderValue): this {
    return this.set(name, value);
  }

  get(name: string): string | undefined {
    const value = this.getHeader(name);
    return Array.isArray(value) ? value.join(', ') : value?.toString();
  }

  append(name: string, value: string | readonly string[]): this {
    this.appendHeader(name, value);
    return this;
  }

  type(type: string): this {
    const full = typeForWord(type);
    return this.set(
      'Content-Type',
      full.startsWith('text/') && !full.includes(';') ? `${full}; charset=utf-8` : full,
    );
  }

  contentType(type: string): this {
    return this.type(type);
  }

  vary(field: string): this {
    return this.append('Vary', field);
  }

  location(url: string): this {
    return this.set('Location', url);
  }

  redirect(statusOrUrl: number | string, url?: string): void {
    const [status, target] = typeof statusOrUrl === 'number' ? [statusOrUrl, url ?? '/'] : [302, statusOrUrl];
    this.status(status).location(target).type('text').send(`Found. Redirecting to ${target}`);
  }

  sendStatus(code: number): this {
    return this.status(code)
      .type('text')
      .send(http.STATUS_CODES[code] ?? String(code));
  }

  json(value: unknown): this {
    this.#defaultType('application/json; charset=utf-8');
    return this.#endWithText(JSON.stringify(value) ?? '');
  }

  /**
   * A string is text/html, bytes are octet-stream, a stream is piped, null and undefined are an empty body, everything else is
   * JSON; unless Content-Type is set already.
   */
  send(body?: unknown): this {
    if (body === undefined || body === null) return this.#endWith(EMPTY);
    if (typeof body === 'string') {
      this.#defaultType('text/html; charset=utf-8');
      return this.#endWithText(body);
    }
    if (ArrayBuffer.isView(body)) {
      this.#defaultType('application/octet-stream');
      return this.#endWith(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
    }
    if (isStream(body)) {
      this.#pipe(body);
      return this;
    }
    return this.json(body);
  }

  #defaultType(type: string): void {
    if (!this.hasHeader('content-type')) this.setHeader('Content-Type', type);
  }

  #endWithText(text: string): this {
    // Node puts a string behind the head, and both leave as one buffer: no second one, no vector of two, no cork.
    return text.length > MAX_JOINED_LENGTH
      ? this.#endWith(Buffer.from(text, 'utf8'))
      : this.#endWith(text, Buffer.byteLength(text));
  }

  #endWith(content: Buffer | string, bytes = content.length): this {
    // RFC 9110 6.4.1: these carry no content, whatever the function gave.
    if (this.statusCode === 204 || this.statusCode === 304) {
      this.removeHeader('Content-Type');
      this.removeHeader('Transfer-Encoding');
      this.end();
      return this;
    }
    this.setHeader('Content-Length', bytes);
    this.end(this.req.method === 'HEAD' ? undefined : content);
    return this;
  }

  #pipe(source: Readable): void {
    this.#defaultType('application/octet-stream');
    source.once('error', (error) => this.owner?.failed(error));
    this.once('close', () => source.destroy());
    source.pipe(this);
  }
}

/** Whose answer it is. No functions of its own for each response, as those of many requests keep one another alive for a while. */
export interface ResponseOwner {
  /** The last byte is about to be handed over. */
  answering(): void;
  /** A stream that was given as the body failed. */
  failed(error: unknown): void;
}

type HeaderValue = string | number | boolean | readonly (string | number)[] | undefined;

const EMPTY = Buffer.alloc(0);
/** In UTF-16 units; joining copies the text once. */
const MAX_JOINED_LENGTH = 32 * 1024;

function isStream(value: unknown): value is Readable {
  return typeof value === 'object' && value !== null && typeof (value as Readable).pipe === 'function';
}
