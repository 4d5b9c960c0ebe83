import { LOG_RECORD_UID } from '../span/attributes.ts';
import { writeKeyValue } from './otlp.ts';
import { pad, PADDING, ProtoBuffer, putWords, type Padded } from './proto-buffer.ts';

/** Hexadecimal digits of a record's offset in its segment, which has at most 4 MiB. */
const OFFSET_DIGITS = 6;
const DIGITS = new TextEncoder().encode('0123456789abcdef');

/**
 * Names for log records that a repeat has, too: `<journal>-<sequence of the segment>-<offset of the record>`. A record lies where it
 * lies, whoever reads it and how often.
 */
export class LogUids {
  /** Where the piece of journal begins that is being read, in its segment. */
  offset = 0;
  readonly #journalId: string;
  /** All of the KeyValue before the offset's digits, without the tag; the same for a whole segment. */
  #head: Padded = pad(new Uint8Array(0));

  constructor(journalId: string) {
    this.#journalId = journalId;
  }

  beginSegment(sequence: number): void {
    const out = new ProtoBuffer(256);
    const uid = `${this.#journalId}-${sequence.toString(36)}-${'0'.repeat(OFFSET_DIGITS)}`;
    writeKeyValue(out, 0, LOG_RECORD_UID, uid);
    this.#head = pad(out.bytes.subarray(1, out.position - OFFSET_DIGITS));
  }

  /** The attribute of the record at `at` of the piece, as a field of the message around it. */
  writeAt(out: ProtoBuffer, tag: number, at: number): void {
    const head = this.#head;
    out.ensure(1 + head.length + OFFSET_DIGITS + PADDING);
    const { bytes } = out;
    bytes[out.position] = tag;
    let p = putWords(out.data, out.position + 1, head.words, 0, head.length);
    const offset = this.offset + at;
    for (let shift = (OFFSET_DIGITS - 1) * 4; shift >= 0; shift -= 4)
      bytes[p++] = DIGITS[(offset >>> shift) & 15] as number;
    out.position = p;
  }

  /** The same for what is no record of its own: `what` says it. */
  writeText(out: ProtoBuffer, tag: number, what: string): void {
    writeKeyValue(out, tag, LOG_RECORD_UID, `${this.#journalId}-${what}`);
  }
}
