/** Names come from strangers: nothing in them may move the cursor or turn the text round. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]+/g, ' ');
}

/** Columns of a terminal that a text takes: two for what East Asia writes and for pictures, none for a mark on another letter. */
export function columnsOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let columns = 0;
  for (const letter of text) columns += columnsOfLetter(letter);
  return columns;
}

/** At most so many columns; what was cut ends in `…`. */
export function cut(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let left = columns - 1;
  let kept = '';
  for (const letter of text) {
    left -= columnsOfLetter(letter);
    if (left < 0) break;
    kept += letter;
  }
  return `${kept}…`;
}

/** As `padEnd`, by columns. */
export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(columns - columnsOf(text), 0));
}

/** As `padStart`, by columns. */
export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(columns - columnsOf(text), 0)) + text;
}

/** The rails left of a name in a tree, in so many columns with it; of deep ones the part next to the name, which keeps some room. */
export function cutRail(rail: string, name: string, columns: number): string {
  const room = Math.max(columns - Math.min(columnsOf(name), LEAST_NAME_COLUMNS), 1);
  return rail.length <= room ? rail : `…${rail.slice(rail.length - room + 1)}`;
}

export const LEAST_NAME_COLUMNS = 12;

function columnsOfLetter(letter: string): number {
  if (MARK.test(letter)) return 0;
  return WIDE.test(letter) ? 2 : 1;
}

const MARK = /^[\p{Mn}\p{Me}\u200d]$/u;
const WIDE =
  /^[\p{sc=Han}\p{sc=Hangul}\p{sc=Hiragana}\p{sc=Katakana}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]$/u;

/** A time in ISO 8601 for people: without its day when that is today's (UTC), `12:00:01.250Z`. */
export function shortTime(iso: string, now = new Date()): string {
  const today = now.toISOString().slice(0, 11);
  return iso.startsWith(today) ? iso.slice(today.length) : iso;
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
    width: Math.max(process.stdout.columns ?? PIPE_COLUMNS, 40),
    colour: isColoured(process.stdout, process.env),
  };
}

const PIPE_COLUMNS = 120;

/** On a terminal that knows colours, unless NO_COLOR says something (https://no-color.org). */
export function isColoured(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}

export function printLines(lines: readonly string[]): void {
  for (const line of lines) console.log(line);
}
