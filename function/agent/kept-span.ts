import { ProtoBuffer } from './proto-buffer.ts';
import { readVarint } from './read-varint.ts';

/** Attributes that one span may have; more are counted as dropped. */
const MAX_ATTRIBUTES = 1024;
/** Events and links of one span; more are counted as dropped. */
const MAX_EXTRA_BYTES = 1024 * 1024;
/** Repeats are taken out before there is more than this, and then not before it has doubled. */
const LOOK_AT_BYTES = 256 * 1024;
/** What most spans take. */
const FIRST_BYTES = 512;
/** One that became larger is not used again. */
const MAX_SPARE_BYTES = 4 * 1024;

const ATTRIBUTE_TAG = 0x4a;

/**
 * A span that outlives the piece of journal it began in: encoded OTLP in one buffer, to which what is said of the span later is
 * appended. Where hundreds of requests are under way at a time, nearly every span becomes one, so making and ending one costs no
 * object: buffers are used again, and a key that comes twice is looked for only when its bit is set already.
 */
export class KeptSpan {
  /** Span fields 1 to 4, 6, 16 and 7 (ids, state, kind, flags, start time), then `attributes = 9`, `events = 11` and `links = 13`. */
  readonly fields = new ProtoBuffer(FIRST_BYTES);
  /** Zeros for a root. */
  parentLow = 0;
  parentHigh = 0;
  /** Start time, unix ns, as two halves. */
  startLow = 0;
  startHigh = 0;
  droppedAttributes = 0;
  droppedEvents = 0;
  headBytes = 0;
  #attributes = 0;
  #extraBytes = 0;
  #lookAtBytes = LOOK_AT_BYTES;
  /** Which keys it has, by their numbers (key-numbers.ts): 0 to 31, 32 to 63. */
  #keys = 0;
  #moreKeys = 0;
  #mayRepeat = false;

  /** What `fields` holds is the head. */
  begin(): void {
    this.droppedAttributes = 0;
    this.droppedEvents = 0;
    this.headBytes = this.fields.position;
    this.#attributes = 0;
    this.#extraBytes = 0;
    this.#lookAtBytes = LOOK_AT_BYTES;
    this.#keys = 0;
    this.#moreKeys = 0;
    this.#mayRepeat = false;
  }

  /** `fields` is from an earlier life of the agent, in which keys had other numbers; so much of it is the head. */
  resume(headBytes: number): void {
    this.headBytes = headBytes;
    this.#keys = -1;
    this.#moreKeys = -1;
    this.#mayRepeat = true;
  }

  get isReusable(): boolean {
    return this.fields.bytes.length <= MAX_SPARE_BYTES;
  }

  has(key: number): boolean {
    return ((key < 32 ? this.#keys : this.#moreKeys) & (1 << (key & 31))) !== 0;
  }

  /** An attribute of this key was appended to `fields`. */
  attributeAdded(key: number): void {
    if (this.has(key)) this.#mayRepeat = true;
    else if (key < 32) this.#keys |= 1 << key;
    else this.#moreKeys |= 1 << (key & 31);
    this.#attributes += 1;
    if (this.#attributes >= 2 * MAX_ATTRIBUTES || this.fields.position - this.#extraBytes > this.#lookAtBytes)
      this.settle();
  }

  get hasRoomForExtra(): boolean {
    return this.#extraBytes <= MAX_EXTRA_BYTES;
  }

  /** An event or a link of so many bytes was appended to `fields`. */
  extraAdded(bytes: number): void {
    this.#extraBytes += bytes;
  }

  /** Leaves one attribute of each key, the one that was said last, and no more than there may be. */
  settle(): void {
    if (!this.#mayRepeat && this.#attributes <= MAX_ATTRIBUTES) return;
    const last = new Map<string, number>();
    this.#each((tag, at, key) => {
      if (tag === ATTRIBUTE_TAG) last.set(key(), at);
    });
    let rank = 0;
    for (const key of last.keys()) {
      rank += 1;
      if (rank <= MAX_ATTRIBUTES) continue;
      last.delete(key);
      this.droppedAttributes += 1;
    }
    this.#keep((tag, at, key) => tag !== ATTRIBUTE_TAG || last.get(key()) === at);
    this.#attributes = last.size;
    this.#mayRepeat = false;
    this.#lookAtBytes = Math.max(LOOK_AT_BYTES, 2 * (this.fields.position - this.#extraBytes));
  }

  /** Takes out the attributes of these keys. */
  dropKeys(keys: Readonly<Record<string, unknown>>): void {
    const names = new Set(Object.keys(keys).map((key) => Buffer.from(key).toString('latin1')));
    this.#keep((tag, _at, key) => tag !== ATTRIBUTE_TAG || !names.has(key()));
  }

  #keep(isKept: (tag: number, at: number, key: () => string) => boolean): void {
    const { fields } = this;
    let position = this.headBytes;
    this.#each((tag, at, key, end) => {
      if (!isKept(tag, at, key)) return;
      fields.bytes.copyWithin(position, at, end);
      position += end - at;
    });
    fields.position = position;
  }

  /** Each field behind the head: its tag, where it begins, the key if it is an attribute (its bytes as latin1), and where it ends. */
  #each(visit: (tag: number, at: number, key: () => string, end: number) => void): void {
    const { bytes, position } = this.fields;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = this.headBytes; at < position;) {
      const [length, from] = readVarint(bytes, at + 1);
      const key = () => {
        // KeyValue: key = 1 string, which always comes first
        const [keyLength, keyFrom] = readVarint(bytes, from + 1);
        return text.toString('latin1', keyFrom, keyFrom + keyLength);
      };
      visit(bytes[at] as number, at, key, from + length);
      at = from + length;
    }
  }
}
