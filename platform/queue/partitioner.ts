/** The partition Kafka's own Java client would choose for the key (BuiltInPartitioner.partitionForKey). */
export function partitionForKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

/** Kafka's 32-bit MurmurHash2 (org.apache.kafka.common.utils.Utils.murmur2), as an unsigned number. */
export function murmur2(data: Uint8Array): number {
  const length = data.length;
  const m = 0x5bd1e995;
  let h = 0x9747b28c ^ length;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    let k = at(data, i) | (at(data, i + 1) << 8) | (at(data, i + 2) << 16) | (at(data, i + 3) << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const left = length & 3;
  if (left === 3) h ^= at(data, whole + 2) << 16;
  if (left >= 2) h ^= at(data, whole + 1) << 8;
  if (left >= 1) h = Math.imul(h ^ at(data, whole), m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  h ^= h >>> 15;
  return h >>> 0;
}

function at(data: Uint8Array, index: number): number {
  return data[index] as number;
}
