/** `name: value` lines as pairs, or the first line that is none. Empty lines count for nothing. */
export function readHeaders(
  text: string,
): { readonly headers: readonly (readonly [string, string])[] } | { readonly wrongLine: string } {
  const headers: (readonly [string, string])[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    // https://www.rfc-editor.org/rfc/rfc9110#name-tokens
    const [, name, value] = /^\s*([\w!#$%&'*+.^`|~-]+)\s*:\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return { wrongLine: line.trim() };
    headers.push([name, value]);
  }
  return { headers };
}
