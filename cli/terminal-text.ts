/** Names come from strangers: nothing in them may move the cursor or turn the text round. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]+/g, ' ');
}

/** At most so many columns; what was cut ends in `…`. */
export function cut(text: string, columns: number): string {
  return text.length > columns ? `${text.slice(0, columns - 1)}…` : text;
}

export function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** What a drawing has to fit. */
export interface Terminal {
  /** Columns. */
  readonly width: number;
  readonly colour: boolean;
}

/** That stdout is; a pipe is a wide one without colours. */
export function terminal(): Terminal {
  return {
    width: Math.max(process.stdout.columns ?? 120, 40),
    colour: isColoured(process.stdout, process.env),
  };
}

/** On a terminal, unless NO_COLOR says something (https://no-color.org). */
export function isColoured(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && (env['NO_COLOR'] ?? '') === '';
}

export function printLines(lines: readonly string[]): void {
  for (const line of lines) console.log(line);
}
