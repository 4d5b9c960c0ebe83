import { Failure } from '../../server/failure.ts';

/**
 * Apache Thrift read without a schema, in its two encodings (github.com/apache/thrift, doc/specs): a struct becomes its
 * fields by id. Nothing is trusted: sizes are held against the bytes that are there, nesting is limited.
 */
export type ThriftValue = boolean | number | bigint | Buffer | readonly ThriftValue[] | ThriftStruct;
export type ThriftStruct = ReadonlyMap<number, ThriftValue>;

export interface ThriftMessage {
  readonly name: string;
  readonly arguments: ThriftStruct;
}

const MAX_DEPTH = 16;

abstract class ThriftReader {
  protected readonly bytes: Buffer;
  protected at = 0;
  #depth = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  struct(): ThriftStruct {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw this.malformed(`structs nested more than ${MAX_DEPTH} deep`);
    const fields = this.fields();
    this.#depth -= 1;
    return fields;
  }

  protected abstract fields(): ThriftStruct;

  protected take(size: number): number {
    if (size < 0 || size > this.bytes.length - this.at) throw this.malformed('a length past the end');
    const { at } = this;
    this.at += size;
    return at;
  }

  /** Every item takes a byte at least, so no more of them can be promised than there are bytes. */
  protected items(count: number, read: () => ThriftValue): readonly ThriftValue[] {
    if (count < 0 || count > this.bytes.length - this.at) throw this.malformed('a list longer than the body');
    const list: ThriftValue[] = [];
    for (let index = 0; index < count; index += 1) list.push(read());
    return list;
  }

  protected malformed(what: string): Failure {
    return new Failure(
      'collector',
      'bad_request',
      `cannot decode the Thrift body: ${what} at byte ${this.at}`,
    );
  }
}

/** thrift-binary-protocol.md: big-endian, fixed widths. Field: u8 type, i16 id, value; type 0 ends the struct. */
export class BinaryReader extends ThriftReader {
  /** i32 version | type, string name, i32 sequence; or without a version: string name, u8 type, i32 sequence. */
  message(): ThriftMessage {
    const first = this.bytes.readInt32BE(this.take(4));
    let name: Buffer;
    if (first < 0) name = this.#binary();
    else {
      const start = this.take(first);
      name = this.bytes.subarray(start, start + first);
      this.take(1);
    }
    this.take(4);
    return { name: name.toString('utf8'), arguments: this.struct() };
  }

  protected fields(): ThriftStruct {
    const fields = new Map<number, ThriftValue>();
    for (;;) {
      const type = this.bytes[this.take(1)] as number;
      if (type === 0) return fields;
      const id = this.bytes.readInt16BE(this.take(2));
      fields.set(id, this.#value(type));
    }
  }

  #value(type: number): ThriftValue {
    const { bytes } = this;
    switch (type) {
      case 2:
        return bytes[this.take(1)] !== 0;
      case 3:
        return bytes.readInt8(this.take(1));
      case 4:
        return bytes.readDoubleBE(this.take(8));
      case 6:
        return bytes.readInt16BE(this.take(2));
      case 8:
        return bytes.readInt32BE(this.take(4));
      case 10:
        return bytes.readBigInt64BE(this.take(8));
      case 11:
        return this.#binary();
      case 12:
        return this.struct();
      case 13: {
        const keyType = bytes[this.take(1)] as number;
        const valueType = bytes[this.take(1)] as number;
        const count = bytes.readInt32BE(this.take(4));
        return this.items(count, () => [this.#value(keyType), this.#value(valueType)]);
      }
      case 14:
      case 15: {
        const itemType = bytes[this.take(1)] as number;
        const count = bytes.readInt32BE(this.take(4));
        return this.items(count, () => this.#value(itemType));
      }
      default:
        throw this.malformed(`type ${type}`);
    }
  }

  #binary(): Buffer {
    const size = this.bytes.readInt32BE(this.take(4));
    const start = this.take(size);
    return this.bytes.subarray(start, start + size);
  }
}

/** thrift-compact-protocol.md: varints and zigzag. Field: u8 delta of id << 4 | type, then the value; 0 ends the struct. */
export class CompactReader extends ThriftReader {
  /** u8 0x82, u8 type << 5 | version 1, varint sequence, string name. */
  message(): ThriftMessage {
    if (this.bytes[this.take(1)] !== COMPACT_PROTOCOL) throw this.malformed('another protocol');
    this.take(1);
    this.#varint();
    return { name: this.#binary().toString('utf8'), arguments: this.struct() };
  }

  protected fields(): ThriftStruct {
    const fields = new Map<number, ThriftValue>();
    let id = 0;
    for (;;) {
      const head = this.bytes[this.take(1)] as number;
      if (head === 0) return fields;
      const delta = head >>> 4;
      id = delta === 0 ? Number(this.#zigzag()) : id + delta;
      const type = head & 0x0f;
      // A bool field has its value for a type.
      fields.set(id, type === 1 || type === 2 ? type === 1 : this.#value(type));
    }
  }

  #value(type: number): ThriftValue {
    const { bytes } = this;
    switch (type) {
      case 1:
      case 2:
        return bytes[this.take(1)] === 1;
      case 3:
        return bytes.readInt8(this.take(1));
      case 4:
      case 5:
        return Number(BigInt.asIntN(32, this.#zigzag()));
      case 6:
        return BigInt.asIntN(64, this.#zigzag());
      case 7:
        return bytes.readDoubleLE(this.take(8));
      case 8:
        return this.#binary();
      case 9:
      case 10: {
        const head = bytes[this.take(1)] as number;
        const count = head >>> 4 === 15 ? this.#size() : head >>> 4;
        return this.items(count, () => this.#value(head & 0x0f));
      }
      case 11: {
        const count = this.#size();
        if (count === 0) return [];
        const types = bytes[this.take(1)] as number;
        return this.items(count, () => [this.#value(types >>> 4), this.#value(types & 0x0f)]);
      }
      case 12:
        return this.struct();
      default:
        throw this.malformed(`type ${type}`);
    }
  }

  #binary(): Buffer {
    const size = this.#size();
    const start = this.take(size);
    return this.bytes.subarray(start, start + size);
  }

  #size(): number {
    const size = this.#varint();
    if (size > BigInt(this.bytes.length)) throw this.malformed('a length past the end');
    return Number(size);
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.take(1)] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw this.malformed('a number of more than ten bytes');
  }

  #zigzag(): bigint {
    const value = this.#varint();
    return (value >> 1n) ^ -(value & 1n);
  }
}

export const COMPACT_PROTOCOL = 0x82;
