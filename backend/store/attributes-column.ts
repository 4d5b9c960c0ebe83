import type { Attributes, AttributeValue } from '../../function/span/span-data.ts';
import { LowCardinalityColumn, MapColumn, type TextColumn } from './native-columns.ts';
import { toText, typeLetter, type TypeLetter } from './value-text.ts';

/**
 * An attribute set per row, as the two columns that keep it: the map of texts, and the type letters (value-text.ts).
 * Entries are added one by one as they are decoded; `closeRow` ends the row.
 */
export class AttributesColumn {
  readonly map: MapColumn;
  readonly types = new LowCardinalityColumn();
  #letters = new Uint8Array(64);
  #count = 0;

  constructor(values: TextColumn) {
    this.map = new MapColumn(values);
  }

  key(source: Uint8Array, start: number, end: number): void {
    this.map.keys.bytes(source, start, end);
  }

  /** A string value; any text that is UTF-8 as it stands. */
  bytes(letter: TypeLetter, source: Uint8Array, start: number, end: number): void {
    this.#letter(letter);
    this.map.values.bytes(source, start, end);
  }

  /** A whole entry whose value is a string. */
  utf8(source: Buffer, keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void {
    this.map.keys.utf8(source, keyStart, keyEnd);
    this.#letter('s');
    this.map.values.utf8(source, valueStart, valueEnd);
  }

  text(letter: TypeLetter, value: string): void {
    this.#letter(letter);
    this.map.values.text(value);
  }

  add(key: string, value: AttributeValue): void {
    this.map.keys.text(key.toWellFormed());
    this.text(typeLetter(value), toText(value).toWellFormed());
  }

  addAll(attributes: Attributes): void {
    for (const key of Object.keys(attributes)) this.add(key, attributes[key] as AttributeValue);
  }

  get entriesInRow(): number {
    return this.#count;
  }

  closeRow(): void {
    let end = this.#count;
    while (end > 0 && this.#letters[end - 1] === LETTER_S) end -= 1;
    this.types.bytes(this.#letters, 0, end);
    this.map.closeRow(this.#count);
    this.#count = 0;
  }

  /** Forgets the entries of a row that is not closed; the columns themselves are cut by whoever owns them. */
  dropOpenRow(): void {
    this.#count = 0;
  }

  #letter(letter: TypeLetter): void {
    if (this.#count === this.#letters.length) {
      const grown = new Uint8Array(this.#letters.length * 2);
      grown.set(this.#letters);
      this.#letters = grown;
    }
    this.#letters[this.#count++] = letter.charCodeAt(0);
  }
}

const LETTER_S = 0x73;
