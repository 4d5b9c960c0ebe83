/** Bytes of one build's log that are kept: its beginning says what was run, its end why it failed. */
const HEAD_BYTES = 32 * 1024;
const TAIL_BYTES = 96 * 1024;

// eslint-disable-next-line no-control-regex
const COLOUR = /\u001b\[[0-9;?]*[A-Za-z]/g;
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** A log that takes any amount and keeps its beginning and its end. */
export class BuildLog {
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #leftOut = 0;

  line(text: string): void {
    this.write(Buffer.from(`${text}\n`));
  }

  readonly write = (chunk: Buffer): void => {
    const room = HEAD_BYTES - this.#headBytes;
    const first = chunk.subarray(0, room);
    if (first.length > 0) {
      this.#head.push(Buffer.from(first));
      this.#headBytes += first.length;
    }
    const rest = chunk.subarray(first.length);
    if (rest.length === 0) return;
    this.#tail.push(Buffer.from(rest));
    this.#tailBytes += rest.length;
    if (this.#tailBytes > 2 * TAIL_BYTES) this.#shorten();
  };

  toString(): string {
    this.#shorten();
    const leftOut = this.#leftOut > 0 ? `\n… ${this.#leftOut} bytes left out …\n` : '';
    const text = `${Buffer.concat(this.#head).toString()}${leftOut}${Buffer.concat(this.#tail).toString()}`;
    // It is printed on terminals: no escape sequences but colours, which are of no use either.
    return text.replaceAll(COLOUR, '').replaceAll(CONTROL, '');
  }

  #shorten(): void {
    const surplus = this.#tailBytes - TAIL_BYTES;
    if (surplus <= 0) return;
    this.#leftOut += surplus;
    this.#tail = [Buffer.concat(this.#tail).subarray(surplus)];
    this.#tailBytes = TAIL_BYTES;
  }
}
