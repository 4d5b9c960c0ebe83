import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

export type OutputSource = 'stdout' | 'stderr';

/** Kept for the end file. */
const KEPT_LINES = 20;
const LINE_CHARACTERS = 2_000;
/** Ends each piece that the environment has told its journal already (docs/instance.md, "Output"). */
const MARK = '\x1e';
/** What one instance may print in a second; past it its pipe is left full, so a flood slows the one who floods. */
const BYTES_PER_SECOND = 1024 * 1024;

/** What an instance prints: passed on line by line where nobody else has, and the last lines kept. */
export class OutputLines {
  readonly #onUntold: (line: string, source: OutputSource) => void;
  readonly #last: string[] = [];
  readonly #streams: { readonly stream: Readable; readonly flush: () => void }[] = [];
  #budget = BYTES_PER_SECOND;
  #refill: NodeJS.Timeout | undefined;
  #closed = false;

  /** `onUntold` gets what nobody else has told of: lines, or ends of lines, without a mark. */
  constructor(onUntold: (line: string, source: OutputSource) => void) {
    this.#onUntold = onUntold;
  }

  get lastLines(): readonly string[] {
    return [...this.#last];
  }

  read(stream: Readable | null, source: OutputSource): void {
    if (!stream) return;
    const decoder = new StringDecoder('utf8');
    let rest = '';
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => {
      rest += decoder.write(chunk);
      let from = 0;
      for (let to = rest.indexOf('\n'); to >= 0; to = rest.indexOf('\n', from)) {
        this.#line(rest.slice(from, to), source);
        from = to + 1;
      }
      rest = rest.slice(from, from + LINE_CHARACTERS);
      this.#spend(chunk.length);
    });
    const flush = () => {
      if (rest) this.#line(rest, source);
      rest = '';
    };
    stream.on('end', flush);
    this.#streams.push({ stream, flush });
  }

  /** The process is dead: nothing more is waited for. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#refill);
    for (const { stream, flush } of this.#streams) {
      flush();
      stream.destroy();
    }
  }

  #line(text: string, source: OutputSource): void {
    const untold = text.slice(text.lastIndexOf(MARK) + 1);
    this.#last.push(cut(untold === text ? text : text.replaceAll(MARK, '')));
    if (this.#last.length > KEPT_LINES) this.#last.shift();
    if (untold !== '') this.#onUntold(cut(untold), source);
  }

  #spend(bytes: number): void {
    this.#budget -= bytes;
    if (this.#closed) return;
    if (this.#budget <= 0) for (const { stream } of this.#streams) stream.pause();
    this.#refill ??= setTimeout(() => {
      this.#refill = undefined;
      this.#budget = BYTES_PER_SECOND;
      for (const { stream } of this.#streams) stream.resume();
    }, 1_000).unref();
  }
}

function cut(line: string): string {
  return line.length > LINE_CHARACTERS ? `${line.slice(0, LINE_CHARACTERS)}…` : line;
}
