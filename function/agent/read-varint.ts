/** A base-128 number (protobuf encoding, "Varints") and the place behind it; what ends in the middle of one is read as far as it goes. */
export function readVarint(bytes: Uint8Array, at: number): [value: number, end: number] {
  let value = 0;
  for (let shift = 1; at < bytes.length; shift *= 128) {
    const byte = bytes[at++] as number;
    value += (byte & 0x7f) * shift;
    if (byte < 0x80) break;
  }
  return [value, at];
}
