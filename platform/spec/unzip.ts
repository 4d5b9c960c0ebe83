import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { Failure } from '../../server/failure.ts';

export interface UnzipLimits {
  readonly maxEntries: number;
  /** Sum over all entries, unpacked. */
  readonly maxTotalBytes: number;
  /** Unpacked to packed, over the whole archive; looked at once `ratioFloorBytes` is passed. */
  readonly maxRatio: number;
  readonly ratioFloorBytes: number;
}

export const UNZIP_LIMITS: UnzipLimits = {
  maxEntries: 100_000,
  maxTotalBytes: 1024 * 1024 * 1024,
  maxRatio: 200,
  ratioFloorBytes: 32 * 1024 * 1024,
};

/** By content, as Fission's fetcher tells: a local file header, or the end record of an empty archive. */
export function isZip(bytes: Uint8Array): boolean {
  return (
    bytes[0] === 0x50 &&
    bytes[1] === 0x4b &&
    ((bytes[2] === 3 && bytes[3] === 4) || (bytes[2] === 5 && bytes[3] === 6))
  );
}

/**
 * Unpacks a zip below `directory`, which is there and empty. The archive comes from anybody: its names stay below
 * `directory`, it makes no links, and its sizes are bounded before a byte is inflated and enforced while it is.
 * Throws a Failure (`bad_request`, `body_too_large`) that names the entry.
 *
 * Our own reader, and not a library's, because it must see an entry's mode (a link, an executable) and checksum.
 */
export async function unzip(
  bytes: Buffer,
  directory: string,
  limits: UnzipLimits = UNZIP_LIMITS,
): Promise<void> {
  const entries = readEntries(bytes, limits);
  const made = new Set<string>();
  for (const entry of entries) {
    const path = join(directory, ...entry.segments);
    const folder = entry.isDirectory ? path : dirname(path);
    if (!made.has(folder)) {
      await mkdir(folder, { recursive: true }).catch((error: unknown) => {
        throw faulty(`entry [${entry.name}] lies below a file`, error);
      });
      made.add(folder);
    }
    if (entry.isDirectory) continue;
    // `wx`: two entries of one name are an attack or a mistake, and never what was meant.
    await writeFile(path, await contentOf(bytes, entry), { flag: 'wx' }).catch((error: unknown) => {
      throw error instanceof Failure ? error : faulty(`entry [${entry.name}] is there twice`, error);
    });
    if (entry.isExecutable) await chmod(path, 0o755);
  }
}

interface Entry {
  readonly name: string;
  readonly segments: readonly string[];
  readonly isDirectory: boolean;
  readonly isExecutable: boolean;
  readonly method: number;
  readonly crc: number;
  readonly packedSize: number;
  readonly size: number;
  readonly headerOffset: number;
}

const END_RECORD = 0x06054b50;
const CENTRAL_HEADER = 0x02014b50;
const LOCAL_HEADER = 0x04034b50;
const END_RECORD_BYTES = 22;
const MAX_COMMENT_BYTES = 65_535;
const STORED = 0;
const DEFLATED = 8;
const inflate = promisify(inflateRaw);

/**
 * The central directory (APPNOTE.TXT 4.3.12), little-endian; offsets in a header:
 * 8 flags u16 · 10 method u16 · 16 crc u32 · 20 packed u32 · 24 size u32 · 28 name length u16 · 30 extra length u16 ·
 * 32 comment length u16 · 38 external attributes u32 (upper half: unix mode) · 42 local header u32 · 46 name
 */
function readEntries(bytes: Buffer, limits: UnzipLimits): Entry[] {
  const end = findEndRecord(bytes);
  const count = bytes.readUInt16LE(end + 10);
  let offset = bytes.readUInt32LE(end + 16);
  if (count === 0xffff || offset === 0xffffffff) throw faulty('zip64 is not supported');
  if (count > limits.maxEntries) throw tooLarge(`it has ${count} entries, the limit is ${limits.maxEntries}`);
  const entries: Entry[] = [];
  let total = 0;
  for (let index = 0; index < count; index++) {
    if (offset + 46 > bytes.length || bytes.readUInt32LE(offset) !== CENTRAL_HEADER)
      throw faulty(`its directory is broken at entry ${index}`);
    const nameLength = bytes.readUInt16LE(offset + 28);
    const next = offset + 46 + nameLength + bytes.readUInt16LE(offset + 30) + bytes.readUInt16LE(offset + 32);
    if (next > bytes.length) throw faulty(`its directory is broken at entry ${index}`);
    const entry = readEntry(bytes, offset, nameLength);
    total += entry.size;
    if (total > limits.maxTotalBytes) throw tooLarge(`it unpacks to more than ${limits.maxTotalBytes} bytes`);
    entries.push(entry);
    offset = next;
  }
  if (total > limits.ratioFloorBytes && total > bytes.length * limits.maxRatio)
    throw tooLarge(
      `it unpacks ${bytes.length} bytes to ${total}, more than ${limits.maxRatio} times its size`,
    );
  return entries;
}

function readEntry(bytes: Buffer, offset: number, nameLength: number): Entry {
  const name = bytes.toString('utf8', offset + 46, offset + 46 + nameLength);
  const flags = bytes.readUInt16LE(offset + 8);
  const mode = bytes.readUInt32LE(offset + 38) >>> 16;
  const method = bytes.readUInt16LE(offset + 10);
  if ((mode & 0o170000) === 0o120000) throw faulty(`entry [${name}] is a symbolic link`);
  if ((flags & 1) !== 0) throw faulty(`entry [${name}] is encrypted`);
  if (method !== STORED && method !== DEFLATED)
    throw faulty(`entry [${name}] is packed with method ${method}; only stored and deflated are known`);
  return {
    name,
    segments: safeSegments(name),
    isDirectory: name.endsWith('/'),
    isExecutable: (mode & 0o111) !== 0,
    method,
    crc: bytes.readUInt32LE(offset + 16),
    packedSize: bytes.readUInt32LE(offset + 20),
    size: bytes.readUInt32LE(offset + 24),
    headerOffset: bytes.readUInt32LE(offset + 42),
  };
}

/** `a/b.js` → ['a', 'b.js']; anything that could leave the folder is refused, not cleaned. */
function safeSegments(name: string): string[] {
  const segments = name.split('/').filter((segment) => segment !== '' && segment !== '.');
  const escapes =
    name.startsWith('/') || /^[A-Za-z]:/.test(name) || /[\\\0]/.test(name) || segments.includes('..');
  if (escapes || segments.length === 0) throw faulty(`entry [${name}] would lie outside the package`);
  return segments;
}

async function contentOf(bytes: Buffer, entry: Entry): Promise<Buffer> {
  const { headerOffset, name } = entry;
  if (headerOffset + 30 > bytes.length || bytes.readUInt32LE(headerOffset) !== LOCAL_HEADER)
    throw faulty(`entry [${name}] has no content`);
  const start =
    headerOffset + 30 + bytes.readUInt16LE(headerOffset + 26) + bytes.readUInt16LE(headerOffset + 28);
  const packed = bytes.subarray(start, start + entry.packedSize);
  if (packed.length !== entry.packedSize) throw faulty(`entry [${name}] is cut short`);
  const content = entry.method === STORED ? packed : await inflated(packed, entry);
  if (content.length !== entry.size) throw faulty(`entry [${name}] is not of the size it says`);
  if (crc32(content) !== entry.crc) throw faulty(`entry [${name}] does not match its checksum`);
  return content;
}

async function inflated(packed: Buffer, entry: Entry): Promise<Buffer> {
  try {
    // One more than it says: an entry that lies about its size is stopped there and not at the end of memory.
    return await inflate(packed, { maxOutputLength: entry.size + 1 });
  } catch (error) {
    throw faulty(`entry [${entry.name}] cannot be inflated to the size it says`, error);
  }
}

function findEndRecord(bytes: Buffer): number {
  const lowest = Math.max(0, bytes.length - END_RECORD_BYTES - MAX_COMMENT_BYTES);
  for (let offset = bytes.length - END_RECORD_BYTES; offset >= lowest; offset--)
    if (bytes.readUInt32LE(offset) === END_RECORD) return offset;
  throw faulty('it has no end record; it may be cut short');
}

function faulty(why: string, cause?: unknown): Failure {
  return new Failure('fetcher', 'bad_request', `cannot unpack the archive: ${why}`, { cause });
}

function tooLarge(why: string): Failure {
  return new Failure('fetcher', 'body_too_large', `cannot unpack the archive: ${why}`);
}
