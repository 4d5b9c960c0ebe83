/**
 * A file mapped into memory, shared with whoever reads it, through koffi (an optional dependency with prebuilt binaries:
 * there is no mmap in Node, nodejs/node#41069). Undefined where koffi or the calls are not there.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface FileMap {
  readonly buffer: ArrayBuffer;
  /**
   * Makes sure that the bytes have memory behind them, before the first store. A page of a sparse file on a full tmpfs
   * cannot be had, and the store that asks for it ends the process with SIGBUS; fallocate says ENOSPC instead.
   */
  reserve(offset: number, length: number): boolean;
}

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
/** Fills the page tables for writing in one call, so that no store pays for a page fault. Linux 5.14; a hint, its failure is none. */
const MADV_POPULATE_WRITE = 23;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

interface Calls {
  map(length: number, fd: number): { address: bigint; buffer: ArrayBuffer } | undefined;
  allocate(fd: number, offset: number, length: number): number;
  advise(address: bigint, length: number, advice: number): number;
}

let loaded: Calls | undefined;
let tried = false;

/**
 * The mapping is never undone: its buffer may be held by a span that is still open, and the kernel undoes it when the
 * process ends. It costs address space only.
 */
export function mapFile(fd: number, length: number): FileMap | undefined {
  const calls = loadCalls();
  const mapped = calls?.map(length, fd);
  if (!calls || !mapped) return undefined;
  return {
    buffer: mapped.buffer,
    reserve(offset, bytes) {
      if (calls.allocate(fd, offset, bytes) !== 0) return false;
      calls.advise(mapped.address + BigInt(offset), bytes, MADV_POPULATE_WRITE);
      return true;
    },
  };
}

/** Loading koffi costs a millisecond or two, so it waits until somebody asks for a mapping. */
function loadCalls(): Calls | undefined {
  if (tried) return loaded;
  tried = true;
  try {
    const koffi = loadBinary(import.meta.filename) ?? (createRequire(import.meta.url)('koffi') as Koffi);
    const libc = koffi.load(null);
    const mmap = libc.func(
      'void *mmap(void *addr, size_t length, int prot, int flags, int fd, int64_t offset)',
    ) as (...args: unknown[]) => bigint | null;
    const allocate = libc.func(
      'int posix_fallocate(int fd, int64_t offset, int64_t length)',
    ) as Calls['allocate'];
    const advise = libc.func('int madvise(void *addr, size_t length, int advice)') as Calls['advise'];
    loaded = {
      allocate,
      advise,
      map(length, fd) {
        const address = mmap(null, length, PROT_READ_WRITE, MAP_SHARED, fd, 0);
        if (!address || address === MAP_FAILED) return undefined;
        return { address, buffer: koffi.view(address, length) };
      },
    };
  } catch {
    loaded = undefined; // not installed, or no such binary for this machine: positional writes do
  }
  return loaded;
}

type Koffi = typeof import('koffi');

/** The C libraries koffi brings a binary for; the one that is not ours fails to load. */
const BINARIES = [`${process.platform}_${process.arch}`, `musl_${process.arch}`];

/**
 * koffi's binary itself, from where npm puts it: its JavaScript, which looks for it in many more places, takes ten times as long
 * (16 ms against 1.4). Undefined where it is not there; then that JavaScript is asked.
 */
function loadBinary(program: string): Koffi | undefined {
  const inside = `node_modules/@koromix/koffi-${process.platform}-${process.arch}`;
  for (let folder = dirname(program); ; folder = dirname(folder)) {
    for (const binary of BINARIES) {
      const path = join(folder, inside, binary, 'koffi.node');
      if (!existsSync(path)) continue;
      try {
        const module = { exports: {} as Koffi };
        process.dlopen(module, path);
        if (module.exports.version.startsWith(TRIED_VERSION)) return module.exports;
      } catch {
        // for another C library
      }
    }
    if (folder === dirname(folder)) return undefined;
  }
}

/** What stands in a binary alone differs between koffi's major versions. */
const TRIED_VERSION = '3.';
