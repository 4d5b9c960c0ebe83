import type { Kind, Reference, Resource } from './resources.ts';

/**
 * What the executor, router and triggers know of what users declared. The registry (registry.ts) is the one that keeps it;
 * everything here is in memory and answers at once, but `fetchPackage`.
 */
export interface Catalog {
  get<K extends Kind>(kind: K, reference: Reference): ResourceOf<K> | undefined;
  list<K extends Kind>(kind: K): readonly ResourceOf<K>[];
  /** Called after each change has been made durable. */
  onChange(listener: (change: Change) => void): Disposable;
  /**
   * The package's deployment archive as a path that an environment can load: a file, or a directory when the archive is a
   * zip. Fetched, verified and unpacked once per content; concurrent callers share it.
   */
  fetchPackage(reference: Reference): Promise<{ readonly path: string; readonly wasCached: boolean }>;
  secret(reference: Reference): Readonly<Record<string, Uint8Array>> | undefined;
  configmap(reference: Reference): Readonly<Record<string, Uint8Array>> | undefined;
}

export type ResourceOf<K extends Kind> = Extract<Resource, { kind: K }>;

export type Change =
  | { readonly type: 'put'; readonly resource: Resource; readonly previous: Resource | undefined }
  | { readonly type: 'delete'; readonly resource: Resource };
