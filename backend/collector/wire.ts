import { Failure } from '../../server/failure.ts';

/**
 * Protobuf's wire format read in place (protobuf.dev/programming-guides/encoding). A message is a run of fields:
 *
 *   varint tag = field number << 3 | wire type;  0 varint · 1 eight bytes · 2 varint length, bytes · 5 four bytes
 *
 * A reader walks one message between `at` and `end`; for a nested one the caller narrows `end` and puts it back. Nothing is
 * trusted: every length is checked against `end`, and what is malformed throws `bad_request`.
 */
export class WireReader {
  readonly bytes: Buffer;
  at: number;
  end: number;
  /** Of the field last read by `next`. */
  field = 0;
  wireType = 0;
  /** The u64 last read, by halves. */
  low = 0;
  high = 0;

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** On to the next field of this message; false at its end. */
  next(): boolean {
    if (this.at >= this.end) return false;
    const tag = this.varint32();
    this.field = tag >>> 3;
    this.wireType = tag & 7;
    if (this.field === 0) throw this.malformed('a field number 0');
    return true;
  }

  /** Low 32 bits of a varint. */
  varint32(): number {
    this.varint();
    return this.low;
  }

  /** A varint of up to 64 bits into `low` and `high`. */
  varint(): void {
    const { bytes, end } = this;
    let at = this.at;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) throw this.malformed('a cut-off number');
      const byte = bytes[at++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= bits << 31;
      if (byte < 0x80) {
        this.at = at;
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw this.malformed('a number of more than ten bytes');
  }

  fixed64(): void {
    this.#need(8);
    this.low = this.bytes.readUInt32LE(this.at);
    this.high = this.bytes.readUInt32LE(this.at + 4);
    this.at += 8;
  }

  fixed32(): number {
    this.#need(4);
    const value = this.bytes.readUInt32LE(this.at);
    this.at += 4;
    return value;
  }

  double(): number {
    this.#need(8);
    const value = this.bytes.readDoubleLE(this.at);
    this.at += 8;
    return value;
  }

  /** Length of a length-delimited field; its bytes start at `at`, and all of them are there. */
  length(): number {
    this.varint();
    if (this.high !== 0 || this.low > this.end - this.at) throw this.malformed('a length past the end');
    return this.low;
  }

  /** End of a length-delimited field whose bytes start at `at`. */
  span(): number {
    return this.length() + this.at;
  }

  text(): string {
    const end = this.span();
    const text = this.bytes.toString('utf8', this.at, end);
    this.at = end;
    return text;
  }

  /** Past a field we do not know, or know with another wire type: it is harmless. */
  skip(): void {
    switch (this.wireType) {
      case 0:
        this.varint();
        return;
      case 1:
        this.#need(8);
        this.at += 8;
        return;
      case 2:
        this.at = this.span();
        return;
      case 5:
        this.#need(4);
        this.at += 4;
        return;
      default:
        throw this.malformed(`wire type ${this.wireType}`);
    }
  }

  malformed(what: string): Failure {
    return new Failure(
      'collector',
      'bad_request',
      `cannot decode the protobuf body: ${what} at byte ${this.at}`,
    );
  }

  #need(size: number): void {
    if (this.end - this.at < size) throw this.malformed('a cut-off value');
  }
}

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH = 2;
export const FIXED32 = 5;
