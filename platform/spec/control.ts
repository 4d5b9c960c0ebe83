import type { IncomingMessage, ServerResponse } from 'node:http';
import { context, ROOT_CONTEXT, trace, type Tracer } from '@opentelemetry/api';
import { Failure, toFailure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import { readBody } from '../../server/read-body.ts';
import {
  applySet,
  checkArchives,
  type ApplyRequest,
  type ApplyResult,
  type ResourceName,
} from './apply-set.ts';
import { recordFailure } from './build.ts';
import { describe, kindOfPlural } from './kinds.ts';
import { fromManifest, toManifest, type Manifest } from './manifest.ts';
import { MAX_ARCHIVE_BYTES } from './package-store.ts';
import { keyOf, type Kind, type Reference, type Resource } from './resources.ts';
import { routeConditions, type RouteCondition } from './route-conflict.ts';
import type { Registry } from './registry.ts';

export interface ControlExtras {
  /** Of service `builder`: each apply is a root span `apply DEPLOYMENT`; the builds it causes link to it. */
  readonly tracing?: { tracer(): Tracer };
  /** Every living instance; without it `/control/v1/instances` is not found. */
  readonly instances?: () => readonly InstanceView[];
  readonly log?: Logger;
}

/** One process that runs functions, as `GET /control/v1/instances` shows it. */
export interface InstanceView {
  readonly id: string;
  readonly environment: Reference;
  /** `warm` waits for a function, `busy` is starting, loading or ending. */
  readonly state: 'warm' | 'ready' | 'busy';
  readonly fn?: Reference | undefined;
  readonly pid?: number | undefined;
  /** Requests it is serving now. */
  readonly active: number;
  readonly startedAtMs: number;
}

/** Of one apply's span, for each of created, updated and deleted. */
const MAX_EVENTS = 30;
/** A set of resources with 256 KiB literals is large; a body past this is a mistake. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;

/**
 * The control API that the command line speaks, mounted below `/control/` on the internal listener. Resources travel as
 * manifests (manifest.ts), failures as `{component, reason, message}` with the reason's status.
 *
 *     GET    /control/v1/KIND[?namespace=]            {items: [manifest]}
 *     POST   /control/v1/KIND                         creates: 201, 409 when there is one already
 *     GET    /control/v1/KIND/NAMESPACE/NAME          manifest
 *     PUT    /control/v1/KIND/NAMESPACE/NAME          creates or updates: 201 or 200
 *     DELETE /control/v1/KIND/NAMESPACE/NAME          manifest of what was deleted
 *     GET    /control/v1/packages/NAMESPACE/NAME/source|deployment    the archive's bytes
 *     POST   /control/v1/archives                     bytes in, {sha256, sizeBytes} out
 *     GET    /control/v1/archives/SHA256              204 when it is kept, 404 when not
 *     POST   /control/v1/apply                        apply-set.ts
 *     GET    /control/v1/instances                    {items: [InstanceView]}
 *     PUT    /control/v1/secrets|configmaps/NAMESPACE/NAME   {data: {key: base64}}: 204; DELETE also
 *
 * KIND: environments, packages, functions, httptriggers, messagequeuetriggers, timetriggers, canaryconfigs.
 */
export function controlHandler(
  registry: Registry,
  extras: ControlExtras = {},
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    try {
      const answer = await route(registry, request, extras);
      if (answer.body instanceof Uint8Array) {
        response.writeHead(answer.status, { 'content-type': 'application/octet-stream' });
        response.end(answer.body);
      } else if (answer.body === undefined) {
        response.writeHead(answer.status).end();
      } else sendJson(response, answer.status, answer.body);
    } catch (error) {
      const failure = toFailure(error, 'spec');
      if (failure.reason === 'internal')
        extras.log?.error({ err: error, url: request.url }, 'control call failed');
      // A body that was refused half way is not read to its end: the connection must not be used again.
      if (!request.complete) response.setHeader('connection', 'close');
      sendJson(response, failure.status, {
        component: failure.component,
        reason: failure.reason,
        message: failure.message,
      });
    }
  };
}

interface Answer {
  readonly status: number;
  readonly body?: unknown;
}

async function route(registry: Registry, request: IncomingMessage, extras: ControlExtras): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'http://control');
  const segments = segmentsOf(url.pathname);
  const method = request.method ?? 'GET';
  const [version, collection, ...rest] = segments;
  if (version !== 'v1' || collection === undefined) throw notFound(url.pathname);
  if (collection === 'archives') return await archives(registry, request, method, rest, url.pathname);
  if (collection === 'apply' && rest.length === 0) {
    allow(method, ['POST'], url.pathname);
    return {
      status: 200,
      body: await tracedApply(registry, (await readJson(request)) as ApplyRequest, extras),
    };
  }
  if (collection === 'instances' && extras.instances && rest.length === 0) {
    allow(method, ['GET'], url.pathname);
    return { status: 200, body: { items: extras.instances() } };
  }
  if (collection === 'secrets' || collection === 'configmaps')
    return await data(registry, request, method, collection, rest, url.pathname);
  const kind = kindOfPlural(collection);
  if (!kind) throw notFound(url.pathname);
  if (rest.length === 0) return await collectionOf(registry, request, method, kind, url);
  const [namespace, name, archive] = rest as [string, string?, string?];
  if (name === undefined || rest.length > 3) throw notFound(url.pathname);
  const reference = { namespace, name };
  if (archive === undefined) return await one(registry, request, method, kind, reference, url.pathname);
  if (kind !== 'Package' || (archive !== 'source' && archive !== 'deployment')) throw notFound(url.pathname);
  allow(method, ['GET'], url.pathname);
  return { status: 200, body: await registry.readArchive(reference, archive) };
}

async function tracedApply(
  registry: Registry,
  request: ApplyRequest,
  { tracing }: ControlExtras,
): Promise<ApplyResult> {
  if (!tracing || request?.dryRun === true) return await applySet(registry, request);
  const name: unknown = request?.deployment?.name;
  const span = tracing.tracer().startSpan(`apply ${typeof name === 'string' ? name : ''}`, { root: true });
  try {
    const result = await context.with(trace.setSpan(ROOT_CONTEXT, span), () => applySet(registry, request));
    for (const [what, names] of Object.entries(result) as [string, readonly ResourceName[]][]) {
      span.setAttribute(`spoor.apply.${what}`, names.length);
      if (what === 'unchanged') continue;
      for (const { kind, name, namespace } of names.slice(0, MAX_EVENTS))
        span.addEvent(what, {
          'spoor.resource.kind': kind,
          'spoor.resource.name': name,
          'spoor.resource.namespace': namespace,
        });
    }
    return result;
  } catch (error) {
    recordFailure(span, error);
    throw error;
  } finally {
    span.end();
  }
}

async function collectionOf(
  registry: Registry,
  request: IncomingMessage,
  method: string,
  kind: Kind,
  url: URL,
): Promise<Answer> {
  allow(method, ['GET', 'POST'], url.pathname);
  if (method === 'GET') {
    const namespace = url.searchParams.get('namespace');
    const items = registry
      .list(kind)
      .filter(({ metadata }) => namespace === null || metadata.namespace === namespace)
      .map(withConditions(registry));
    return { status: 200, body: { items } };
  }
  const resource = await readResource(registry, request, kind);
  if (registry.get(kind, resource.metadata))
    throw new Failure(
      'spec',
      'conflict',
      `cannot create ${describe(kind, resource.metadata)}: it is there already`,
    );
  return { status: 201, body: toManifest(await registry.put(resource)) };
}

async function one(
  registry: Registry,
  request: IncomingMessage,
  method: string,
  kind: Kind,
  reference: Reference,
  path: string,
): Promise<Answer> {
  allow(method, ['GET', 'PUT', 'DELETE'], path);
  const missing = (verb: string) =>
    new Failure('spec', 'not_found', `cannot ${verb} ${describe(kind, reference)}: there is none`);
  switch (method) {
    case 'GET': {
      const found = registry.get(kind, reference);
      if (!found) throw missing('get');
      return { status: 200, body: withConditions(registry)(found) };
    }
    case 'DELETE': {
      const deleted = await registry.delete(kind, reference);
      if (!deleted) throw missing('delete');
      return { status: 200, body: toManifest(deleted) };
    }
    default: {
      const resource = await readResource(registry, request, kind);
      if (keyOf(resource.metadata) !== keyOf(reference))
        throw new Failure(
          'spec',
          'bad_request',
          `cannot put ${describe(kind, resource.metadata)} in the place of ${describe(kind, reference)}`,
        );
      const isNew = registry.get(kind, reference) === undefined;
      return { status: isNew ? 201 : 200, body: toManifest(await registry.put(resource)) };
    }
  }
}

/** What the platform knows of a resource beyond what was declared: for a trigger, whether its route is another's. Not kept. */
function withConditions(registry: Registry): (resource: Resource) => Manifest {
  let routes: ReadonlyMap<string, RouteCondition> | undefined;
  return (resource) => {
    const manifest = toManifest(resource);
    if (resource.kind !== 'HTTPTrigger') return manifest;
    routes ??= routeConditions(registry.list('HTTPTrigger'));
    return { ...manifest, status: { conditions: [routes.get(keyOf(resource.metadata))] } };
  };
}

async function archives(
  registry: Registry,
  request: IncomingMessage,
  method: string,
  rest: readonly string[],
  path: string,
): Promise<Answer> {
  const [sha256] = rest;
  if (sha256 !== undefined) {
    if (rest.length > 1 || !/^[0-9a-f]{64}$/.test(sha256)) throw notFound(path);
    allow(method, ['GET'], path);
    if (!(await registry.hasArchive(sha256)))
      throw new Failure('spec', 'not_found', `cannot find archive ${sha256}: it is not kept here`);
    return { status: 204 };
  }
  allow(method, ['POST'], path);
  wantType(request, 'application/octet-stream');
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > MAX_ARCHIVE_BYTES)
    throw new Failure(
      'spec',
      'body_too_large',
      `cannot keep an archive of ${declared} bytes: the limit is ${MAX_ARCHIVE_BYTES} bytes`,
    );
  return { status: 200, body: await registry.keepArchive(request as AsyncIterable<Uint8Array>) };
}

async function data(
  registry: Registry,
  request: IncomingMessage,
  method: string,
  collection: 'secrets' | 'configmaps',
  rest: readonly string[],
  path: string,
): Promise<Answer> {
  const [namespace, name] = rest;
  if (namespace === undefined || name === undefined || rest.length > 2) throw notFound(path);
  const reference = { namespace, name };
  allow(method, ['PUT', 'DELETE'], path);
  if (method === 'DELETE') {
    const had =
      collection === 'secrets'
        ? await registry.deleteSecret(reference)
        : await registry.deleteConfigmap(reference);
    if (had) return { status: 204 };
    throw new Failure(
      'spec',
      'not_found',
      `cannot delete ${collection.slice(0, -1)} '${name}': there is none`,
    );
  }
  const body = (await readJson(request)) as { data?: unknown } | null;
  const entries = Object.entries((body?.data ?? {}) as Record<string, unknown>).map(([key, value]) => {
    if (typeof value !== 'string')
      throw new Failure('spec', 'bad_request', `cannot keep key [${key}]: its value must be base64`);
    return [key, new Uint8Array(Buffer.from(value, 'base64'))] as const;
  });
  const fields = Object.fromEntries(entries);
  await (collection === 'secrets'
    ? registry.putSecret(reference, fields)
    : registry.putConfigmap(reference, fields));
  return { status: 204 };
}

async function readResource(registry: Registry, request: IncomingMessage, kind: Kind) {
  const resource = fromManifest(await readJson(request));
  if (resource.kind !== kind)
    throw new Failure('spec', 'bad_request', `cannot put a ${resource.kind} among the ${kind} resources`);
  await checkArchives(registry, resource);
  return resource;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  wantType(request, 'application/json');
  const bytes = await readBody(request, MAX_JSON_BYTES, 'spec');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new Failure('spec', 'bad_request', `cannot read the body: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Asking for these types also keeps web pages out: a browser must ask before it sends them across origins. */
function wantType(request: IncomingMessage, wanted: string): void {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== wanted)
    throw new Failure(
      'spec',
      'unsupported_media_type',
      `cannot read a body of type [${type}]: it must be ${wanted}`,
    );
}

function allow(method: string, allowed: readonly string[], path: string): void {
  if (!allowed.includes(method))
    throw new Failure('spec', 'method_not_allowed', `cannot ${method} ${path}: use ${allowed.join(', ')}`);
}

function segmentsOf(path: string): string[] {
  try {
    return path
      .replace(/^\/control\//, '')
      .split('/')
      .filter(Boolean)
      .map(decodeURIComponent);
  } catch {
    throw new Failure('spec', 'bad_request', `cannot read the path ${path}`);
  }
}

function notFound(path: string): Failure {
  return new Failure('spec', 'not_found', `cannot find ${path} in the control API`);
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}
