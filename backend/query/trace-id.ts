const HEX = /^[0-9a-fA-F]{1,32}$/;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;
const NONE = '0'.repeat(32);

/**
 * A trace id as clients write it, to 32 lower-case hex digits: hex with or without its leading zeros, or the 16 (or 8) bytes in
 * base64, standard or URL-safe, padded or not. What can be read as hex is hex. `undefined` when it is neither, or is all zeros.
 */
export function parseTraceId(text: string): string | undefined {
  const hex = HEX.test(text) ? text.toLowerCase() : fromBase64(text);
  const id = hex?.padStart(32, '0');
  return id === NONE ? undefined : id;
}

function fromBase64(text: string): string | undefined {
  if (!BASE64.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === 16 || bytes.length === 8 ? bytes.toString('hex') : undefined;
}
