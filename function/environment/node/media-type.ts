/** `text/plain` of `Text/Plain; charset=utf-8`. */
export function mediaTypeOf(contentType: string): string {
  const mark = contentType.indexOf(';');
  return (mark < 0 ? contentType : contentType.slice(0, mark)).trim().toLowerCase();
}

/** The charset parameter in lower case, or undefined. */
export function charsetOf(contentType: string): string | undefined {
  return /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType)?.[1]?.toLowerCase();
}

/** Whether a Content-Type is of `wanted`: a full type, one with a star, a suffix as `+json`, or a short word. */
export function matchesType(contentType: string, wanted: string): boolean {
  const own = mediaTypeOf(contentType);
  if (wanted.startsWith('+')) return own.endsWith(wanted);
  const full = typeForWord(wanted).toLowerCase();
  if (full === '*/*') return true;
  if (full.endsWith('/*')) return own.startsWith(full.slice(0, -1));
  if (full.startsWith('*/')) return own.endsWith(full.slice(1));
  return own === full;
}

/** `json` → `application/json`; a full type stays what it is. */
export function typeForWord(word: string): string {
  if (word.includes('/')) return word;
  return WORDS[word.replace(/^\./, '').toLowerCase()] ?? `application/${word}`;
}

const WORDS: Readonly<Record<string, string>> = {
  json: 'application/json',
  html: 'text/html',
  text: 'text/plain',
  txt: 'text/plain',
  css: 'text/css',
  csv: 'text/csv',
  xml: 'application/xml',
  js: 'text/javascript',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  pdf: 'application/pdf',
  bin: 'application/octet-stream',
  urlencoded: 'application/x-www-form-urlencoded',
  multipart: 'multipart/*',
};
