import type { FunctionRequest } from './function-request.ts';
import { charsetOf, matchesType } from './media-type.ts';
import { Fault } from './fault.ts';

/**
 * Parses the body into `request.body` as Fission's environment (body-parser) does: forms, JSON objects and arrays,
 * octet-stream as a Buffer, text as a string. Every other type is left as a stream, with `body` undefined.
 * Returns undefined when there is nothing to wait for. Throws Fault: `bad_request`, `body_too_large`,
 * `unsupported_media_type`, `client_disconnect`.
 */
export function readRequestBody(request: FunctionRequest, limitBytes: number): Promise<void> | undefined {
  const { headers } = request;
  const contentType = headers['content-type'];
  const hasBody = headers['transfer-encoding'] !== undefined || headers['content-length'] !== undefined;
  if (!hasBody || contentType === undefined) return undefined;
  const parse = PARSERS.find(([type]) => matchesType(contentType, type))?.[1];
  if (!parse) return undefined;
  return readInto(request, contentType, limitBytes, parse);
}

type Parse = (bytes: Buffer, contentType: string) => unknown;

const PARSERS: readonly (readonly [type: string, parse: Parse])[] = [
  ['application/json', (bytes, contentType) => parseJson(decode(bytes, contentType))],
  ['application/x-www-form-urlencoded', (bytes, contentType) => parseForm(decode(bytes, contentType))],
  ['application/octet-stream', (bytes) => bytes],
  ['text/*', decode],
];

async function readInto(
  request: FunctionRequest,
  contentType: string,
  limitBytes: number,
  parse: Parse,
): Promise<void> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  const bytes = await readAll(request, limitBytes);
  request.body = parse(
    encoding === 'identity' ? bytes : await inflate(bytes, encoding, limitBytes),
    contentType,
  );
}

/** Listeners rather than `for await`: they cost half as much, and this is on the road of every request with a body. */
function readAll(request: FunctionRequest, limitBytes: number): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limitBytes) return Promise.reject(tooLarge(limitBytes));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const done = (error: Fault | undefined) => {
      request.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut);
      if (error === undefined)
        resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size));
      else reject(error);
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > limitBytes) done(tooLarge(limitBytes));
      else chunks.push(chunk);
    };
    const onEnd = () => done(undefined);
    const onCut = () => done(new Fault('client_disconnect', 'cannot read the body: the client went away'));
    request.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut);
  });
}

function decode(bytes: Buffer, contentType: string): string {
  const charset = charsetOf(contentType) ?? 'utf-8';
  if (charset === 'utf-8' || charset === 'utf8') {
    const text = bytes.toString('utf8');
    return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
  }
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch (error) {
    throw new Fault('unsupported_media_type', `cannot read text in the charset [${charset}]`, {
      cause: error,
    });
  }
}

const BYTE_ORDER_MARK = 0xfeff;

function parseJson(text: string): unknown {
  if (text.length === 0) return {};
  // Strict, as body-parser is: a bare "word" or 5 is more often a mistake than meant.
  if (!/^\s*[[{]/.test(text))
    throw new Fault('bad_request', `cannot parse the body as JSON: it must be an object or an array`);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Fault('bad_request', `cannot parse the body as JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

const MAX_FORM_FIELDS = 1000;

function parseForm(text: string): Record<string, string | string[]> {
  const form: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  let fields = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    if ((fields += 1) > MAX_FORM_FIELDS)
      throw new Fault('body_too_large', `cannot read a form of more than ${MAX_FORM_FIELDS} fields`);
    const before = form[name];
    if (before === undefined) form[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else form[name] = [before, value];
  }
  return form;
}

async function inflate(bytes: Buffer, encoding: string, limitBytes: number): Promise<Buffer> {
  const zlib = process.getBuiltinModule('node:zlib');
  const { promisify } = process.getBuiltinModule('node:util');
  const unpack = { gzip: zlib.gunzip, deflate: zlib.inflate, br: zlib.brotliDecompress }[encoding];
  if (!unpack)
    throw new Fault(
      'unsupported_media_type',
      `cannot read a body in the content encoding [${encoding}]: use gzip, deflate or br`,
    );
  try {
    return await promisify<Buffer, { maxOutputLength: number }, Buffer>(unpack)(bytes, {
      maxOutputLength: limitBytes,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limitBytes);
    throw new Fault('bad_request', `cannot unpack the ${encoding} body: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function tooLarge(limitBytes: number): Fault {
  return new Fault(
    'body_too_large',
    `cannot read a body of more than ${limitBytes} bytes; BODY_PARSER_LIMIT sets the limit`,
  );
}
