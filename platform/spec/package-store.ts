import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../../server/failure.ts';
import type { Archive } from './resources.ts';
import { isZip, unzip } from './unzip.ts';

/** Largest archive that is taken, in bytes. */
export const MAX_ARCHIVE_BYTES = 512 * 1024 * 1024;
const DOWNLOAD_TIMEOUT_MS = 120_000;

export interface Kept {
  readonly sha256: string;
  readonly sizeBytes: number;
}

/**
 * The archives' bytes, and what became of them, on disk:
 *
 *     archives/<sha256>                       as it came
 *     packages/<sha256>/deployarchive         a file, or the directory a zip unpacks to (the name is Fission's)
 *     packages/<sha256>-kept/deployarchive    the zip itself, for environments with keeparchive
 *
 * Everything is written beside its place and renamed into it, so that what is there is whole, also after `kill -9`.
 */
export class PackageStore {
  readonly #archives: string;
  readonly #packages: string;
  readonly #paths = new Map<string, Promise<string>>();
  /** sha256 of downloads that came without one, by URL and version of the package. */
  readonly #downloads = new Map<string, Promise<Kept>>();
  readonly #literals = new WeakMap<Uint8Array, string>();

  constructor(dataDir: string) {
    this.#archives = join(dataDir, 'archives');
    this.#packages = join(dataDir, 'packages');
  }

  async open(): Promise<void> {
    for (const folder of [this.#archives, this.#packages]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (const name of await readdir(folder))
        if (name.startsWith(TEMPORARY)) await rm(join(folder, name), { recursive: true, force: true });
    }
    // A function without a package.json of its own must not read the one of whoever's folder this data lies in:
    // its "type" would decide between CommonJS and ES modules.
    await writeFile(join(this.#packages, 'package.json'), '{}\n');
  }

  /** Keeps bytes under their sha256. Throws a Failure `body_too_large` past the limit. */
  async keep(content: Uint8Array | AsyncIterable<Uint8Array>): Promise<Kept> {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    const temporary = join(this.#archives, `${TEMPORARY}${randomUUID()}`);
    const chunks = content instanceof Uint8Array ? [content] : content;
    try {
      await pipeline(
        Readable.from(chunks),
        async function* count(source: AsyncIterable<Uint8Array>) {
          for await (const chunk of source) {
            sizeBytes += chunk.length;
            if (sizeBytes > MAX_ARCHIVE_BYTES)
              throw new Failure(
                'spec',
                'body_too_large',
                `cannot keep an archive of ${sizeBytes} bytes or more: the limit is ${MAX_ARCHIVE_BYTES} bytes`,
              );
            hash.update(chunk);
            yield chunk;
          }
        },
        createWriteStream(temporary, { flush: true, mode: 0o600 }),
      );
      const sha256 = hash.digest('hex');
      await rename(temporary, join(this.#archives, sha256));
      return { sha256, sizeBytes };
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async has(sha256: string): Promise<boolean> {
    return isThere(join(this.#archives, sha256));
  }

  /** The archive's bytes as they came. Throws a Failure when they cannot be had or do not match their sum. */
  async read(archive: Archive, version: string): Promise<Buffer> {
    if (archive.type === 'literal') return Buffer.from(archive.literal);
    const { sha256 } = archive.type === 'kept' ? archive : await this.#download(archive, version);
    const bytes = await readFile(join(this.#archives, sha256)).catch((error: unknown) => {
      throw new Failure('fetcher', 'not_found', `cannot read archive ${sha256}: it is not kept here`, {
        cause: error,
      });
    });
    return bytes;
  }

  /** The archive as a path an environment can load; made once per content, shared by whoever asks meanwhile. */
  async fetch(
    archive: Archive,
    options: { readonly version: string; readonly keepArchive: boolean },
  ): Promise<{ path: string; wasCached: boolean }> {
    const sha256 = await this.#sha256Of(archive, options.version);
    const key = options.keepArchive ? `${sha256}-kept` : sha256;
    const known = this.#paths.get(key);
    if (known) return { path: await known, wasCached: true };
    const target = join(this.#packages, key, 'deployarchive');
    if (await isThere(target)) {
      this.#paths.set(key, Promise.resolve(target));
      return { path: target, wasCached: true };
    }
    const already = this.#paths.get(key);
    if (already) return { path: await already, wasCached: true };
    const making = this.#unpack(archive, key, options);
    this.#paths.set(key, making);
    try {
      return { path: await making, wasCached: false };
    } catch (error) {
      this.#paths.delete(key);
      throw error;
    }
  }

  async #unpack(
    archive: Archive,
    key: string,
    options: { readonly version: string; readonly keepArchive: boolean },
  ): Promise<string> {
    const bytes = await this.read(archive, options.version);
    const temporary = join(this.#packages, `${TEMPORARY}${randomUUID()}`);
    const inside = join(temporary, 'deployarchive');
    try {
      await mkdir(temporary, { mode: 0o700 });
      if (isZip(bytes) && !options.keepArchive) {
        await mkdir(inside);
        await unzip(bytes, inside);
      } else await writeFile(inside, bytes);
      await rename(temporary, join(this.#packages, key)).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
        await rm(temporary, { recursive: true, force: true });
      });
      return join(this.#packages, key, 'deployarchive');
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
  }

  async #sha256Of(archive: Archive, version: string): Promise<string> {
    switch (archive.type) {
      case 'kept':
        return archive.sha256;
      case 'literal': {
        const known = this.#literals.get(archive.literal);
        if (known !== undefined) return known;
        const sha256 = createHash('sha256').update(archive.literal).digest('hex');
        this.#literals.set(archive.literal, sha256);
        return sha256;
      }
      case 'url':
        return archive.sha256 ?? (await this.#download(archive, version)).sha256;
    }
  }

  async #download(archive: Archive & { type: 'url' }, version: string): Promise<Kept> {
    const { sha256, url } = archive;
    if (sha256 !== undefined && (await this.has(sha256))) return { sha256, sizeBytes: 0 };
    const key = `${version} ${url}`;
    let download = this.#downloads.get(key);
    if (!download) {
      download = this.#get(url, sha256);
      this.#downloads.set(key, download);
      download.catch(() => this.#downloads.delete(key));
    }
    return await download;
  }

  async #get(url: string, sha256: string | undefined): Promise<Kept> {
    let kept: Kept;
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) });
      if (!response.ok || !response.body)
        throw new Failure('fetcher', 'unavailable', `cannot fetch ${url}: it answered ${response.status}`);
      kept = await this.keep(response.body as AsyncIterable<Uint8Array>);
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure('fetcher', 'unavailable', `cannot fetch ${url}: ${causeOf(error)}`, { cause: error });
    }
    if (sha256 === undefined || kept.sha256 === sha256) return kept;
    await rm(join(this.#archives, kept.sha256), { force: true });
    throw new Failure(
      'fetcher',
      'conflict',
      `cannot take ${url}: its sha256 is ${kept.sha256} and should be ${sha256}`,
    );
  }
}

const TEMPORARY = '.making-';

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

function causeOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message || message : message;
}
