import { createHash, randomUUID } from 'node:crypto';
import { lstat, mkdir, realpath, rm, statfs, unlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

/**
 * Blocks on their way into the engine: each a short-lived file with a random name, in shared memory while there is room,
 * else in the data directory. The folder is emptied when opened, so that a killed process leaves nothing behind for good.
 */
export class BlockFiles implements AsyncDisposable {
  readonly #shared: string | undefined;
  readonly #disk: string;

  private constructor(shared: string | undefined, disk: string) {
    this.#shared = shared;
    this.#disk = disk;
  }

  /** Only for who holds the data directory: what is in the folders is removed. */
  static async open(dataDir: string): Promise<BlockFiles> {
    const real = await realpath(dataDir);
    const disk = join(real, 'blocks');
    await rm(disk, { recursive: true, force: true });
    await mkdir(disk, { mode: 0o700 });
    const name = `spoor-${createHash('sha256').update(real).digest('hex').slice(0, 16)}`;
    return new BlockFiles(await openShared(join(SHARED_MEMORY, name)), disk);
  }

  async write(block: Buffer): Promise<BlockFile> {
    const name = `${randomUUID()}.native`;
    if (this.#shared !== undefined && (await hasRoom(block.length))) {
      const path = join(this.#shared, name);
      try {
        await writeFile(path, block, { mode: 0o600 });
        return new BlockFile(path);
      } catch {
        // Shared memory filled up meanwhile: the disk it is.
        await rm(path, { force: true });
      }
    }
    const path = join(this.#disk, name);
    try {
      await writeFile(path, block, { mode: 0o600 });
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    return new BlockFile(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#shared !== undefined) await rm(this.#shared, { recursive: true, force: true });
  }
}

export class BlockFile implements AsyncDisposable {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Random, and so an insert's own. */
  get name(): string {
    return basename(this.path, '.native');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await unlink(this.path).catch(() => {});
  }
}

const SHARED_MEMORY = '/dev/shm';
/** Shared memory is others' too (Docker gives 64 MB): never take the last quarter of it. */
const KEEP_FREE = 0.25;

/** Undefined when there is none, or when another user made the folder before us. */
async function openShared(path: string): Promise<string | undefined> {
  try {
    await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    const found = await lstat(path);
    if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0)
      return undefined;
    await rm(path, { recursive: true });
    await mkdir(path, { mode: 0o700 });
    return path;
  } catch {
    return undefined;
  }
}

async function hasRoom(bytes: number): Promise<boolean> {
  try {
    const { bavail, blocks, bsize } = await statfs(SHARED_MEMORY);
    return bavail * bsize - bytes > blocks * bsize * KEEP_FREE;
  } catch {
    return false;
  }
}
