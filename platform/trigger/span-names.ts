/** A declared topic or function has its name here; past this many, which only changed declarations can make, all are forgotten. */
const MAX_NAMES = 1_000;

/**
 * `process TOPIC` and the like, the same string each time: the journal knows a name that it has had by comparing pointers, while one
 * that was put together anew has first to be copied into one piece and compared letter by letter.
 */
export class SpanNames {
  readonly #verb: string;
  readonly #names = new Map<string, string>();

  constructor(verb: string) {
    this.#verb = verb;
  }

  of(what: string): string {
    const known = this.#names.get(what);
    if (known !== undefined) return known;
    if (this.#names.size === MAX_NAMES) this.#names.clear();
    const name = `${this.#verb} ${what}`;
    this.#names.set(what, name);
    return name;
  }
}
