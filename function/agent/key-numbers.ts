/** Keys with a number of their own; all further ones share the next, the last one that two words of bits can hold. */
const OWN_NUMBERS = 63;
/** Longer ones have none. */
const MAX_KEY_CHARS = 256;

/**
 * Small numbers for the keys of an instance's attributes, the same in every segment of its journal, whose string ids are not.
 * Two keys of one number may be the same key; two of different numbers are not.
 */
export class KeyNumbers {
  readonly #byText = new Map<string, number>();
  /** By string id of the segment: number + 1; 0 when it was not asked for yet. */
  #byId = new Uint8Array(256);

  beginSegment(): void {
    this.#byId.fill(0);
  }

  /** The id stands for a string from now on. */
  define(id: number): void {
    if (id < this.#byId.length) this.#byId[id] = 0;
  }

  /** 0 to 63. `text`: what the id stands for. */
  of(id: number, text: string): number {
    const known = this.#byId[id] ?? 0;
    if (known > 0) return known - 1;
    let number = this.#byText.get(text);
    if (number === undefined) {
      number = text.length > MAX_KEY_CHARS ? OWN_NUMBERS : Math.min(this.#byText.size, OWN_NUMBERS);
      if (number < OWN_NUMBERS) this.#byText.set(text, number);
    }
    if (id < this.#byId.length) this.#byId[id] = number + 1;
    return number;
  }
}
