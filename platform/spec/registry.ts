import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import { Failure, toFailure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import type { Catalog, Change, ResourceOf } from './catalog.ts';
import { ALL_KINDS, describe } from './kinds.ts';
import { fromManifest, toManifest } from './manifest.ts';
import { PackageStore, type Kept } from './package-store.ts';
import { keyOf, type Kind, type Metadata, type Package, type Reference, type Resource } from './resources.ts';

export interface RegistryOptions {
  /** Made when it is not there. One registry at a time. */
  readonly dataDir: string;
  readonly log?: Logger;
}

/** What users declared, kept on disk so that it survives the process, and held in memory so that asking costs nothing. */
export interface Registry extends Catalog, AsyncDisposable {
  /**
   * Keeps a resource. The registry gives uid, generation, resourceVersion and creationTimestamp as Kubernetes does, whatever
   * `resource` says of them; putting what is kept already changes nothing and tells nobody.
   */
  put<R extends Resource>(resource: R): Promise<R>;
  /** The resource that was deleted; undefined when there was none. */
  delete(kind: Kind, reference: Reference): Promise<Resource | undefined>;
  /** All of it or nothing, in one transaction. */
  commit(edits: readonly Edit[]): Promise<readonly Change[]>;
  keepArchive(content: Uint8Array | AsyncIterable<Uint8Array>): Promise<Kept>;
  hasArchive(sha256: string): Promise<boolean>;
  /** The bytes of a package's archive as they were given. Throws a Failure when there is none. */
  readArchive(reference: Reference, which: 'source' | 'deployment'): Promise<Buffer>;
  putSecret(reference: Reference, data: Readonly<Record<string, Uint8Array>>): Promise<void>;
  putConfigmap(reference: Reference, data: Readonly<Record<string, Uint8Array>>): Promise<void>;
  /** True when there was one. */
  deleteSecret(reference: Reference): Promise<boolean>;
  deleteConfigmap(reference: Reference): Promise<boolean>;
}

export type Edit =
  | { readonly type: 'put'; readonly resource: Resource }
  | { readonly type: 'delete'; readonly kind: Kind; readonly reference: Reference };

export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const packages = new PackageStore(options.dataDir);
  const database = openDatabase(join(options.dataDir, 'registry.db'));
  try {
    await packages.open();
    return new SqliteRegistry(database, packages, options.log);
  } catch (error) {
    database.close();
    throw error;
  }
}

type DataKind = 'secret' | 'configmap';
type Data = Readonly<Record<string, Uint8Array>>;

class SqliteRegistry implements Registry {
  readonly #database: DatabaseSync;
  readonly #packages: PackageStore;
  readonly #log: Logger | undefined;
  readonly #resources = new Map<Kind, Map<string, Resource>>(ALL_KINDS.map((kind) => [kind, new Map()]));
  readonly #lists = new Map<Kind, readonly Resource[]>();
  readonly #data = new Map<string, Data>();
  readonly #listeners = new Set<(change: Change) => void>();
  #version = 0;

  constructor(database: DatabaseSync, packages: PackageStore, log: Logger | undefined) {
    this.#database = database;
    this.#packages = packages;
    this.#log = log;
    for (const row of database.prepare('SELECT manifest FROM resource').iterate()) {
      const resource = fromManifest(JSON.parse(row['manifest'] as string));
      this.#mapOf(resource.kind).set(keyOf(resource.metadata), resource);
    }
    for (const row of database.prepare('SELECT kind, key, field, value FROM data').iterate()) {
      const { kind, key, field, value } = row as {
        kind: string;
        key: string;
        field: string;
        value: Uint8Array;
      };
      const known = this.#data.get(`${kind} ${key}`) ?? {};
      // An empty secret is a row with an empty field name, so that it is still there after a restart.
      this.#data.set(`${kind} ${key}`, field === '' ? known : { ...known, [field]: value });
    }
    this.#version = database.prepare('SELECT value FROM counter').get()?.['value'] as number;
  }

  get<K extends Kind>(kind: K, reference: Reference): ResourceOf<K> | undefined {
    return this.#mapOf(kind).get(keyOf(reference)) as ResourceOf<K> | undefined;
  }

  list<K extends Kind>(kind: K): readonly ResourceOf<K>[] {
    let list = this.#lists.get(kind);
    if (!list) {
      list = [...this.#mapOf(kind).values()];
      this.#lists.set(kind, list);
    }
    return list as readonly ResourceOf<K>[];
  }

  onChange(listener: (change: Change) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async put<R extends Resource>(resource: R): Promise<R> {
    await this.commit([{ type: 'put', resource }]);
    return this.get(resource.kind, resource.metadata) as unknown as R;
  }

  async delete(kind: Kind, reference: Reference): Promise<Resource | undefined> {
    const [change] = await this.commit([{ type: 'delete', kind, reference }]);
    return change?.resource;
  }

  // eslint-disable-next-line require-await -- durable before it resolves; SQLite happens to answer at once
  async commit(edits: readonly Edit[]): Promise<readonly Change[]> {
    const changes: Change[] = [];
    const staged = new Map<string, Resource | undefined>();
    const current = (kind: Kind, reference: Reference) => {
      const key = `${kind} ${keyOf(reference)}`;
      return staged.has(key) ? staged.get(key) : this.get(kind, reference);
    };
    let version = this.#version;
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    for (const edit of edits) {
      if (edit.type === 'delete') {
        const resource = current(edit.kind, edit.reference);
        if (!resource) continue;
        staged.set(`${edit.kind} ${keyOf(edit.reference)}`, undefined);
        changes.push({ type: 'delete', resource });
        continue;
      }
      const previous = current(edit.resource.kind, edit.resource.metadata);
      if (previous && isSame(previous, edit.resource)) continue;
      version += 1;
      const resource = { ...edit.resource, metadata: nextMetadata(edit.resource, previous, version, now) };
      staged.set(`${resource.kind} ${keyOf(resource.metadata)}`, resource);
      changes.push({ type: 'put', resource, previous });
    }
    this.#write(changes, version);
    this.#remember(changes, version);
    this.#tell(changes);
    return changes;
  }

  keepArchive(content: Uint8Array | AsyncIterable<Uint8Array>): Promise<Kept> {
    return this.#packages.keep(content);
  }

  hasArchive(sha256: string): Promise<boolean> {
    return this.#packages.has(sha256);
  }

  async readArchive(reference: Reference, which: 'source' | 'deployment'): Promise<Buffer> {
    const found = this.#packageOf(reference);
    const archive = found.spec[which];
    if (!archive)
      throw new Failure(
        'fetcher',
        'not_found',
        `cannot read the ${which} archive of ${describe('Package', reference)}: it has none`,
      );
    return await this.#packages.read(archive, found.metadata.resourceVersion);
  }

  async fetchPackage(reference: Reference): Promise<{ path: string; wasCached: boolean }> {
    const { metadata, spec, status } = this.#packageOf(reference);
    if (!spec.deployment)
      throw new Failure(
        'fetcher',
        status.buildstatus === 'pending' || status.buildstatus === 'running'
          ? 'unavailable'
          : 'specialization_failed',
        spec.source
          ? notBuilt(reference, status)
          : `cannot fetch ${describe('Package', reference)}: it has no archive`,
      );
    const keepArchive = this.get('Environment', spec.environment)?.spec.keeparchive ?? false;
    try {
      return await this.#packages.fetch(spec.deployment, { version: metadata.resourceVersion, keepArchive });
    } catch (error) {
      const { reason, message } = toFailure(error, 'fetcher');
      // Who calls the function has done nothing wrong: a faulty archive is no 400 of theirs.
      throw new Failure('fetcher', reason === 'unavailable' ? reason : 'specialization_failed', message, {
        cause: error,
      });
    }
  }

  secret(reference: Reference): Data | undefined {
    return this.#data.get(`secret ${keyOf(reference)}`);
  }

  configmap(reference: Reference): Data | undefined {
    return this.#data.get(`configmap ${keyOf(reference)}`);
  }

  async putSecret(reference: Reference, data: Data): Promise<void> {
    this.#putData('secret', reference, data);
  }

  async putConfigmap(reference: Reference, data: Data): Promise<void> {
    this.#putData('configmap', reference, data);
  }

  async deleteSecret(reference: Reference): Promise<boolean> {
    return this.#deleteData('secret', reference);
  }

  async deleteConfigmap(reference: Reference): Promise<boolean> {
    return this.#deleteData('configmap', reference);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
    if (this.#database.isOpen) this.#database.close();
  }

  #packageOf(reference: Reference): ResourceOf<'Package'> {
    const found = this.get('Package', reference);
    if (found) return found;
    throw new Failure(
      'fetcher',
      'not_found',
      `cannot find ${describe('Package', reference)}: there is no such package`,
    );
  }

  #mapOf(kind: Kind): Map<string, Resource> {
    return this.#resources.get(kind) as Map<string, Resource>;
  }

  #write(changes: readonly Change[], version: number): void {
    if (changes.length === 0) return;
    const put = this.#database.prepare(
      'INSERT INTO resource (kind, key, manifest) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET manifest = excluded.manifest',
    );
    const remove = this.#database.prepare('DELETE FROM resource WHERE kind = ? AND key = ?');
    this.#inTransaction(() => {
      for (const { type, resource } of changes) {
        const key = keyOf(resource.metadata);
        if (type === 'delete') remove.run(resource.kind, key);
        else put.run(resource.kind, key, JSON.stringify(toManifest(resource)));
      }
      this.#database.prepare('UPDATE counter SET value = ?').run(version);
    });
  }

  #remember(changes: readonly Change[], version: number): void {
    this.#version = version;
    for (const { type, resource } of changes) {
      const map = this.#mapOf(resource.kind);
      if (type === 'delete') map.delete(keyOf(resource.metadata));
      else map.set(keyOf(resource.metadata), resource);
      this.#lists.delete(resource.kind);
    }
  }

  /** What is durable cannot be refused any more: a listener that throws is logged and the others are told. */
  #tell(changes: readonly Change[]): void {
    for (const change of changes) {
      for (const listener of this.#listeners) {
        try {
          listener(change);
        } catch (error) {
          this.#log?.error(
            { err: error, resource: change.resource.metadata.name },
            'listener of the registry failed',
          );
        }
      }
    }
  }

  #putData(kind: DataKind, reference: Reference, data: Data): void {
    for (const field of Object.keys(data))
      if (!/^[-._a-zA-Z0-9]{1,253}$/.test(field) || field === '.' || field === '..')
        throw new Failure(
          'spec',
          'bad_request',
          `cannot keep ${kind} key [${field}]: use letters, digits, -, _ and .`,
        );
    const key = keyOf(reference);
    const insert = this.#database.prepare('INSERT INTO data (kind, key, field, value) VALUES (?, ?, ?, ?)');
    this.#inTransaction(() => {
      this.#database.prepare('DELETE FROM data WHERE kind = ? AND key = ?').run(kind, key);
      insert.run(kind, key, '', new Uint8Array());
      for (const [field, value] of Object.entries(data)) insert.run(kind, key, field, value);
    });
    this.#data.set(`${kind} ${key}`, { ...data });
  }

  #deleteData(kind: DataKind, reference: Reference): boolean {
    const key = keyOf(reference);
    this.#database.prepare('DELETE FROM data WHERE kind = ? AND key = ?').run(kind, key);
    return this.#data.delete(`${kind} ${key}`);
  }

  #inTransaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

function notBuilt(reference: Reference, status: Package['status']): string {
  const what = `cannot fetch ${describe('Package', reference)}`;
  const lastLine = status.buildlog.trimEnd().split('\n').at(-1) ?? '';
  return status.buildstatus === 'failed'
    ? `${what}: its build failed: ${lastLine}. \`spoor pkg info --name ${reference.name}\` shows the log`
    : `${what}: its source is not built yet (build status ${status.buildstatus}); wait with \`spoor pkg wait --name ${reference.name}\``;
}

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS resource (
        kind TEXT NOT NULL, key TEXT NOT NULL, manifest TEXT NOT NULL, PRIMARY KEY (kind, key)
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS data (
        kind TEXT NOT NULL, key TEXT NOT NULL, field TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key, field)
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL);
      INSERT INTO counter VALUES (1, 0) ON CONFLICT DO NOTHING;
      BEGIN IMMEDIATE; UPDATE counter SET value = value; COMMIT;
    `);
    return database;
  } catch (error) {
    database.close();
    if (/locked/.test((error as Error).message))
      throw new Failure(
        'spec',
        'conflict',
        `cannot open ${path}: another platform is using this data directory. Stop it, or choose another with --data`,
        { cause: error },
      );
    throw new Failure('spec', 'internal', `cannot open ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function isSame(previous: Resource, next: Resource): boolean {
  return (
    isDeepStrictEqual(previous.metadata.labels, next.metadata.labels) &&
    isDeepStrictEqual(previous.metadata.annotations, next.metadata.annotations) &&
    isDeepStrictEqual(restOf(previous), restOf(next))
  );
}

/** Kubernetes: generation counts changes of the spec, resourceVersion any change. */
function nextMetadata(
  resource: Resource,
  previous: Resource | undefined,
  version: number,
  now: string,
): Metadata {
  const { name, namespace, labels, annotations } = resource.metadata;
  const specChanged = !previous || !isDeepStrictEqual(toManifest(previous).spec, toManifest(resource).spec);
  return {
    name,
    namespace,
    uid: previous?.metadata.uid ?? randomUUID(),
    generation: (previous?.metadata.generation ?? 0) + (specChanged ? 1 : 0),
    resourceVersion: String(version),
    creationTimestamp: previous?.metadata.creationTimestamp ?? now,
    labels,
    annotations,
  };
}

function restOf(resource: Resource): unknown {
  const { spec, status } = toManifest(resource);
  return { spec, status };
}
