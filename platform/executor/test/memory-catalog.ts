import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Catalog, Change, ResourceOf } from '../../spec/catalog.ts';
import {
  keyOf,
  type Environment,
  type FunctionResource,
  type HTTPTrigger,
  type Kind,
  type Metadata,
  type Package,
  type Reference,
  type Resource,
} from '../../spec/resources.ts';

/** A catalog in memory, for the tests of those who only read one. Packages are literals, written to `folder` when fetched. */
export class MemoryCatalog implements Catalog {
  readonly #folder: string;
  readonly #resources = new Map<string, Resource>();
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #fetched = new Set<string>();
  readonly secrets = new Map<string, Record<string, Uint8Array>>();
  readonly configmaps = new Map<string, Record<string, Uint8Array>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  get<K extends Kind>(kind: K, reference: Reference): ResourceOf<K> | undefined {
    return this.#resources.get(`${kind}:${keyOf(reference)}`) as ResourceOf<K> | undefined;
  }

  list<K extends Kind>(kind: K): readonly ResourceOf<K>[] {
    return this.#resources
      .values()
      .filter((resource): resource is ResourceOf<K> => resource.kind === kind)
      .toArray();
  }

  onChange(listener: (change: Change) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  async fetchPackage(reference: Reference): Promise<{ path: string; wasCached: boolean }> {
    const pkg = this.get('Package', reference);
    if (pkg?.spec.deployment?.type !== 'literal') throw new Error(`no such package: ${reference.name}`);
    const name = `${pkg.metadata.name}-${pkg.metadata.generation}${pkg.metadata.labels['extension'] ?? '.mjs'}`;
    const path = join(this.#folder, name);
    const wasCached = this.#fetched.has(name);
    if (!wasCached) writeFileSync(path, pkg.spec.deployment.literal);
    this.#fetched.add(name);
    return { path, wasCached };
  }

  secret(reference: Reference): Record<string, Uint8Array> | undefined {
    return this.secrets.get(keyOf(reference));
  }

  configmap(reference: Reference): Record<string, Uint8Array> | undefined {
    return this.configmaps.get(keyOf(reference));
  }

  put(resource: Resource): void {
    const key = `${resource.kind}:${keyOf(resource.metadata)}`;
    const previous = this.#resources.get(key);
    const generation = (previous?.metadata.generation ?? 0) + 1;
    const metadata = { ...resource.metadata, generation, resourceVersion: String(generation) };
    const kept = { ...resource, metadata } as Resource;
    this.#resources.set(key, kept);
    for (const listener of this.#listeners) listener({ type: 'put', resource: kept, previous });
  }

  delete(kind: Kind, name: string): void {
    const key = `${kind}:default/${name}`;
    const resource = this.#resources.get(key);
    if (!resource) return;
    this.#resources.delete(key);
    for (const listener of this.#listeners) listener({ type: 'delete', resource });
  }

  /** An environment, a package with `code` and a function, all named `name`. */
  putFunction(name: string, code: string, spec: Partial<FunctionResource['spec']> = {}): void {
    if (!this.get('Environment', { name: 'tiny', namespace: 'default' })) this.put(environment());
    this.put(packageOf(name, code));
    this.put(functionOf(name, spec));
  }
}

let age = 0;

export function metadata(name: string): Metadata {
  return {
    name,
    namespace: 'default',
    uid: `uid-${name}`,
    generation: 1,
    resourceVersion: '1',
    creationTimestamp: new Date(Date.UTC(2026, 0, 1) + age++).toISOString(),
    labels: {},
    annotations: {},
  };
}

export function environment(spec: Partial<Environment['spec']> = {}): Environment {
  return {
    kind: 'Environment',
    metadata: metadata('tiny'),
    spec: {
      version: 3,
      runtime: { image: 'ghcr.io/fission/node-env', env: [] },
      poolsize: 1,
      keeparchive: false,
      allowedFunctionsPerContainer: 'single',
      terminationGracePeriod: 90,
      resources: {},
      ...spec,
    },
  };
}

export function packageOf(name: string, code: string): Package {
  return {
    kind: 'Package',
    metadata: metadata(name),
    spec: {
      environment: { name: 'tiny', namespace: 'default' },
      deployment: { type: 'literal', literal: Buffer.from(code) },
      buildcmd: '',
    },
    status: { buildstatus: 'none', buildlog: '' },
  };
}

export function functionOf(name: string, spec: Partial<FunctionResource['spec']> = {}): FunctionResource {
  return {
    kind: 'Function',
    metadata: metadata(name),
    spec: {
      environment: { name: 'tiny', namespace: 'default' },
      package: { packageref: { name, namespace: 'default' }, functionName: '' },
      secrets: [],
      configmaps: [],
      env: [],
      functionTimeout: 60,
      idletimeout: 120,
      concurrency: 500,
      requestsPerPod: 1,
      onceOnly: false,
      retainPods: 0,
      specializationTimeout: 120,
      executorType: 'poolmgr',
      minScale: 0,
      maxScale: 1,
      resources: {},
      ...spec,
    },
  };
}

export function triggerOf(name: string, fn: string, spec: Partial<HTTPTrigger['spec']> = {}): HTTPTrigger {
  return {
    kind: 'HTTPTrigger',
    metadata: metadata(name),
    spec: {
      relativeurl: `/${name}`,
      prefix: '',
      keepPrefix: false,
      methods: ['GET'],
      host: '',
      functionref: { type: 'name', name: fn },
      invocationMode: 'sync',
      ...spec,
    },
  };
}
