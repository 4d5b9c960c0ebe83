import { randomUUID } from 'node:crypto';
import type { Catalog, Change, ResourceOf } from '../../../platform/spec/catalog.ts';
import { fromManifest } from '../../../platform/spec/manifest.ts';
import {
  keyOf,
  type EnvVar,
  type Kind,
  type Package,
  type Reference,
  type Resource,
} from '../../../platform/spec/resources.ts';

export interface OneFunctionOptions {
  readonly name: string;
  readonly language: 'node' | 'python';
  /** File or folder, where it lies: what the function requires beside it is found, and node_modules above it. */
  readonly path: string;
  readonly entrypoint: string;
  readonly env: readonly EnvVar[];
  /** Seconds. */
  readonly timeout: number;
}

/** Python tells its compiled files by their source's second and size: two edits within one would be taken for the same. */
const NO_STALE_CODE: readonly EnvVar[] = [{ name: 'PYTHONDONTWRITEBYTECODE', value: '1' }];

/** A catalog of one function and one route to it, `/` and everything below. Nothing is copied and nothing is kept. */
export class OneFunction implements Catalog {
  readonly #path: string;
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #resources = new Map<string, Resource>();

  constructor(options: OneFunctionOptions) {
    this.#path = options.path;
    const { name } = options;
    const environment = { name: options.language };
    for (const manifest of [
      {
        kind: 'Environment',
        metadata: { name: options.language },
        // One to take over when the code changes, and one for when it changes again at once.
        spec: {
          version: 3,
          runtime: { image: options.language, container: { env: [...NO_STALE_CODE, ...options.env] } },
          poolsize: 2,
        },
      },
      {
        kind: 'Package',
        metadata: { name },
        spec: { environment, deployment: { type: 'literal', literal: '' } },
      },
      {
        kind: 'Function',
        metadata: { name },
        spec: {
          environment,
          package: { packageref: { name }, functionName: options.entrypoint },
          functionTimeout: options.timeout,
          concurrency: 4,
        },
      },
      {
        kind: 'HTTPTrigger',
        metadata: { name },
        spec: {
          prefix: '/',
          keepPrefix: true,
          methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
          functionref: { name },
        },
      },
    ]) {
      const resource = fromManifest(manifest);
      const metadata = { ...resource.metadata, uid: randomUUID(), generation: 1, resourceVersion: '1' };
      this.#resources.set(`${resource.kind} ${keyOf(metadata)}`, { ...resource, metadata });
    }
  }

  /** The code has changed: from now on another instance answers. */
  reload(): void {
    const key = [...this.#resources.keys()].find((one) => one.startsWith('Package ')) as string;
    const previous = this.#resources.get(key) as Package;
    const generation = previous.metadata.generation + 1;
    const resource: Package = {
      ...previous,
      metadata: { ...previous.metadata, generation, resourceVersion: String(generation) },
    };
    this.#resources.set(key, resource);
    for (const listener of this.#listeners) listener({ type: 'put', resource, previous });
  }

  get<K extends Kind>(kind: K, reference: Reference): ResourceOf<K> | undefined {
    return this.#resources.get(`${kind} ${keyOf(reference)}`) as ResourceOf<K> | undefined;
  }

  list<K extends Kind>(kind: K): readonly ResourceOf<K>[] {
    return [...this.#resources.values()].filter((resource) => resource.kind === kind) as ResourceOf<K>[];
  }

  onChange(listener: (change: Change) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  fetchPackage(): Promise<{ readonly path: string; readonly wasCached: boolean }> {
    return Promise.resolve({ path: this.#path, wasCached: true });
  }

  secret(): undefined {
    return undefined;
  }

  configmap(): undefined {
    return undefined;
  }
}
