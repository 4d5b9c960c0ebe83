const PAIR = /\s*(?:"((?:[^"\\]|\\.)*)"|([^\s="]+))(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*)))?(?=\s|$)/y;

/**
 * Tags as people type them, `http.route=/greet "card name"="a b" error=true`, to a map; `undefined` and a reason when it is none.
 * A key alone asks that it be there, which is `null`.
 */
export function parseLogfmt(
  text: string,
): { readonly tags: Readonly<Record<string, string | null>> } | { readonly wrongAt: string } {
  const tags: [string, string | null][] = [];
  PAIR.lastIndex = 0;
  while (text.slice(PAIR.lastIndex).trim() !== '') {
    const at = PAIR.lastIndex;
    const match = PAIR.exec(text);
    if (!match) return { wrongAt: text.slice(at).trim() };
    const [, quotedKey, key, quotedValue, value] = match;
    tags.push([
      quotedKey === undefined ? (key as string) : unescape(quotedKey),
      quotedValue === undefined ? (value ?? null) : unescape(quotedValue),
    ]);
  }
  return { tags: Object.fromEntries(tags) };
}

function unescape(quoted: string): string {
  return quoted.replaceAll(/\\(.)/g, '$1');
}
