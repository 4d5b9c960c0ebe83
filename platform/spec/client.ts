import { Failure, REASONS, type Component, type Reason } from '../../server/failure.ts';
import type { ApplyRequest, ApplyResult } from './apply-set.ts';
import type { ResourceOf } from './catalog.ts';
import type { InstanceView } from './control.ts';
import { KINDS } from './kinds.ts';
import { fromManifest, toManifest } from './manifest.ts';
import type { Kept } from './package-store.ts';
import type { Kind, Reference, Resource } from './resources.ts';

/** The control API (control.ts) with types. A refusal is the Failure that the platform said; no answer is `unavailable`. */
export class ControlClient {
  readonly #base: string;

  /** `url`: base of the internal listener. */
  constructor(url: string) {
    this.#base = `${url.replace(/\/$/, '')}/control/v1`;
  }

  /** Of one namespace, or of all. */
  async list<K extends Kind>(kind: K, namespace?: string): Promise<ResourceOf<K>[]> {
    const query = namespace === undefined ? '' : `?namespace=${encodeURIComponent(namespace)}`;
    const { items } = (await this.#json('GET', `/${KINDS[kind].plural}${query}`)) as { items: unknown[] };
    return items.map((item) => fromManifest(item) as ResourceOf<K>);
  }

  async get<K extends Kind>(kind: K, reference: Reference): Promise<ResourceOf<K> | undefined> {
    try {
      return fromManifest(await this.#json('GET', pathOf(kind, reference))) as ResourceOf<K>;
    } catch (error) {
      if (error instanceof Failure && error.reason === 'not_found') return undefined;
      throw error;
    }
  }

  /** A Failure `conflict` when it is there already. */
  async create<R extends Resource>(resource: R): Promise<R> {
    const made = await this.#json('POST', `/${KINDS[resource.kind].plural}`, toManifest(resource));
    return fromManifest(made) as R;
  }

  async put<R extends Resource>(resource: R): Promise<R> {
    return fromManifest(
      await this.#json('PUT', pathOf(resource.kind, resource.metadata), toManifest(resource)),
    ) as R;
  }

  async delete(kind: Kind, reference: Reference): Promise<void> {
    await this.#json('DELETE', pathOf(kind, reference));
  }

  async keepArchive(content: Uint8Array): Promise<Kept> {
    const response = await this.#send('POST', '/archives', {
      body: Buffer.from(content.buffer, content.byteOffset, content.byteLength),
      headers: { 'content-type': 'application/octet-stream' },
    });
    return (await response.json()) as Kept;
  }

  async hasArchive(sha256: string): Promise<boolean> {
    try {
      await this.#send('GET', `/archives/${sha256}`);
      return true;
    } catch (error) {
      if (error instanceof Failure && error.reason === 'not_found') return false;
      throw error;
    }
  }

  async readArchive(reference: Reference, which: 'source' | 'deployment'): Promise<Buffer> {
    const response = await this.#send('GET', `${pathOf('Package', reference)}/${which}`);
    return Buffer.from(await response.arrayBuffer());
  }

  async apply(request: ApplyRequest & { readonly resources: readonly Resource[] }): Promise<ApplyResult> {
    const resources = request.resources.map(toManifest);
    return (await this.#json('POST', '/apply', { ...request, resources })) as ApplyResult;
  }

  async instances(): Promise<InstanceView[]> {
    return ((await this.#json('GET', '/instances')) as { items: InstanceView[] }).items;
  }

  putSecret(reference: Reference, data: Readonly<Record<string, Uint8Array>>): Promise<void> {
    return this.#putData('secrets', reference, data);
  }

  putConfigmap(reference: Reference, data: Readonly<Record<string, Uint8Array>>): Promise<void> {
    return this.#putData('configmaps', reference, data);
  }

  deleteSecret(reference: Reference): Promise<void> {
    return this.#deleteData('secrets', reference);
  }

  deleteConfigmap(reference: Reference): Promise<void> {
    return this.#deleteData('configmaps', reference);
  }

  async #deleteData(collection: string, { namespace, name }: Reference): Promise<void> {
    await this.#send('DELETE', `/${collection}/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`);
  }

  async #putData(
    collection: string,
    { namespace, name }: Reference,
    data: Readonly<Record<string, Uint8Array>>,
  ): Promise<void> {
    const encoded = Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    );
    await this.#send('PUT', `/${collection}/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`, {
      body: JSON.stringify({ data: encoded }),
      headers: { 'content-type': 'application/json' },
    });
  }

  async #json(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.#send(
      method,
      path,
      body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } },
    );
    return await response.json();
  }

  async #send(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const url = `${this.#base}${path}`;
    let response: Response;
    try {
      response = await fetch(url, { ...init, method, signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (error) {
      throw new Failure(
        'cli',
        'unavailable',
        `cannot reach the platform at ${new URL(url).origin}: nothing answers there. Start it with \`spoor up\`, or name another with --server`,
        { cause: error },
      );
    }
    if (!response.ok) throw await failureOf(response);
    return response;
  }
}

const TIMEOUT_MS = 120_000;

function pathOf(kind: Kind, { namespace, name }: Reference): string {
  return `/${KINDS[kind].plural}/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}

async function failureOf(response: Response): Promise<Failure> {
  const text = await response.text();
  try {
    const { component, reason, message } = JSON.parse(text) as Record<string, string>;
    if (component !== undefined && reason !== undefined && reason in REASONS)
      return new Failure(component as Component, reason as Reason, message ?? text);
  } catch {
    // Not ours: whatever stands at that address speaks another language.
  }
  return new Failure(
    'cli',
    'unavailable',
    `cannot talk to ${response.url}: it answered ${response.status} and does not look like Spoor's internal listener`,
  );
}
