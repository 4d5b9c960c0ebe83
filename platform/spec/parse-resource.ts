import type { Fields } from './fields.ts';
import { parseTemplate } from './path-template.ts';
import { parseDuration, parseQuantity } from './units.ts';
import type {
  Archive,
  CanaryConfig,
  CorsConfig,
  Destination,
  Environment,
  EnvVar,
  FunctionReference,
  FunctionResource,
  HTTPTrigger,
  InvocationConfig,
  Kind,
  MessageQueueTrigger,
  Metadata,
  Package,
  Reference,
  Resource,
  ResourceLimits,
  TimeTrigger,
} from './resources.ts';

/**
 * One document of a known kind as its resource, with every default filled in. Field names and defaults are Fission's
 * (fission.io/v1: pkg/apis/core/v1/types.go). Throws a ProblemError that names the field.
 */
export function parseResource(kind: Kind, document: Fields): Resource {
  const metadata = parseMetadata(document.mapOrEmpty('metadata'));
  return READERS[kind](metadata, document.mapOrEmpty('spec'), document.mapOrEmpty('status'));
}

const READERS: Readonly<Record<Kind, (metadata: Metadata, spec: Fields, status: Fields) => Resource>> = {
  Environment: parseEnvironment,
  Package: parsePackage,
  Function: parseFunction,
  HTTPTrigger: parseHttpTrigger,
  MessageQueueTrigger: parseMessageQueueTrigger,
  TimeTrigger: parseTimeTrigger,
  CanaryConfig: parseCanaryConfig,
};

export const DEFAULT_NAMESPACE = 'default';
/** Fission's limit for an archive inside the YAML itself, in bytes. */
export const LITERAL_LIMIT = 256 * 1024;
/** A day: no time in a spec is longer. Seconds. */
const MAX_SECONDS = 86_400;
const MAX_ATTEMPTS = 100;
const MAX_WAIT_MS = 7 * MAX_SECONDS * 1_000;
const MAX_INSTANCES = 100_000;
const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE'];
/** RFC 1123, as Kubernetes names its objects. */
const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const MAX_NAME = 253;

function parseMetadata(fields: Fields): Metadata {
  return {
    ...parseReference(fields, DEFAULT_NAMESPACE),
    uid: fields.string('uid'),
    generation: fields.integer('generation', 0, { min: 0, max: Number.MAX_SAFE_INTEGER }),
    resourceVersion: fields.string('resourceVersion'),
    creationTimestamp: fields.string('creationTimestamp'),
    labels: fields.stringMap('labels'),
    annotations: fields.stringMap('annotations'),
  };
}

/** A name and namespace; the latter defaults to that of the resource which refers. */
function parseReference(fields: Fields, namespace: string): Reference {
  const name = fields.string('name');
  if (name === '') fields.fail('name', 'must be given');
  checkName(fields, 'name', name);
  const ownNamespace = fields.string('namespace') || namespace;
  checkName(fields, 'namespace', ownNamespace);
  return { name, namespace: ownNamespace };
}

function checkName(fields: Fields, field: string, name: string): void {
  if (NAME.test(name) && name.length <= MAX_NAME) return;
  fields.fail(
    field,
    `must be lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit, at most ${MAX_NAME} long, not ${JSON.stringify(name)}`,
  );
}

function parseEnvironment(metadata: Metadata, spec: Fields): Environment {
  const version = spec.integer('version', 1, { min: 1, max: 3 }) as 1 | 2 | 3;
  const runtime = spec.mapOrEmpty('runtime');
  const image = runtime.string('image') || runtime.mapOrEmpty('container').string('image');
  if (image === '') runtime.fail('image', 'must be given');
  const poolsize = spec.integer('poolsize', 3, { min: 0, max: MAX_INSTANCES });
  const builder = spec.map('builder');
  const builderImage = builder?.string('image') ?? '';
  return {
    kind: 'Environment',
    metadata,
    spec: {
      version,
      runtime: { image, env: parseEnvVars(runtime.mapOrEmpty('container')) },
      ...(builder && (builderImage !== '' || builder.string('command') !== '')
        ? {
            builder: {
              image: builderImage,
              command: builder.string('command'),
              env: parseEnvVars(builder.mapOrEmpty('container')),
            },
          }
        : {}),
      // https://fission.io/docs/usage/function/environments/: only version 3 has a pool size of its own
      poolsize: version === 3 ? poolsize : 3,
      keeparchive: spec.boolean('keeparchive'),
      allowedFunctionsPerContainer: spec.oneOf(
        'allowedFunctionsPerContainer',
        ['single', 'infinite'],
        'single',
      ),
      terminationGracePeriod: spec.integer('terminationGracePeriod', 90, { min: 0, max: MAX_SECONDS }) || 90,
      resources: parseLimits(spec.mapOrEmpty('resources')),
    },
  };
}

/** Only literal values: what a `valueFrom` points at is in a cluster, not here. */
function parseEnvVars(container: Fields): EnvVar[] {
  return container
    .maps('env')
    .filter((entry) => !entry.has('valueFrom'))
    .map((entry) => {
      const name = entry.string('name');
      if (!/^[^=\0]+$/.test(name))
        entry.fail('name', `must be a variable's name, not ${JSON.stringify(name)}`);
      return { name, value: entry.string('value') };
    });
}

function parseLimits(resources: Fields): ResourceLimits {
  const limits = resources.mapOrEmpty('limits');
  const memory = parseQuantityField(limits, 'memory');
  const cpu = parseQuantityField(limits, 'cpu');
  return {
    ...(memory === undefined ? {} : { memoryLimitBytes: Math.floor(memory) }),
    ...(cpu === undefined ? {} : { cpuLimit: cpu }),
  };
}

/** Kubernetes takes a number as well as a text: `cpu: 1` and `cpu: "1"`. A limit of 0 is none. */
function parseQuantityField(fields: Fields, name: string): number | undefined {
  const value = fields.raw(name);
  if (value === undefined || value === '') return undefined;
  const quantity = typeof value === 'number' ? value : parseQuantity(fields.string(name));
  if (quantity === undefined || quantity < 0 || !Number.isFinite(quantity))
    return fields.fail(name, `must be a quantity such as 128Mi or 500m, not ${JSON.stringify(value)}`);
  return quantity === 0 ? undefined : quantity;
}

function parsePackage(metadata: Metadata, spec: Fields, status: Fields): Package {
  const source = parseArchive(spec.map('source'));
  const deployment = parseArchive(spec.map('deployment'));
  const said = status.oneOf('buildstatus', ['pending', 'running', 'succeeded', 'failed', 'none'], 'none');
  return {
    kind: 'Package',
    metadata,
    spec: {
      environment: parseReference(spec.mapOrEmpty('environment'), metadata.namespace),
      ...(source ? { source } : {}),
      ...(deployment ? { deployment } : {}),
      buildcmd: spec.string('buildcmd'),
    },
    status: {
      // A source without its result is yet to be built, whatever a spec copied from elsewhere says; a failure is news.
      buildstatus: source && !deployment && said !== 'failed' && said !== 'running' ? 'pending' : said,
      buildlog: status.string('buildlog'),
    },
  };
}

function parseArchive(archive: Fields | undefined): Archive | undefined {
  if (!archive) return undefined;
  const sha256 = archive.mapOrEmpty('checksum').string('sum').toLowerCase();
  if (sha256 !== '' && !/^[0-9a-f]{64}$/.test(sha256))
    archive.mapOrEmpty('checksum').fail('sum', `must be 64 hex digits of sha256, not "${sha256}"`);
  const type =
    archive.string('type') || (archive.has('literal') ? 'literal' : archive.has('url') ? 'url' : '');
  switch (type) {
    case '':
      return undefined;
    case 'literal':
      return { type: 'literal', literal: parseBase64(archive, 'literal') };
    case 'url': {
      const url = archive.string('url');
      if (!/^(https?|archive):\/\/\S+$/.test(url))
        archive.fail('url', `must be an http, https or archive URL, not ${JSON.stringify(url)}`);
      return { type: 'url', url, ...(sha256 === '' ? {} : { sha256 }) };
    }
    case 'kept':
      if (sha256 === '') archive.fail('checksum', 'must be given for a kept archive');
      return {
        type: 'kept',
        sha256,
        sizeBytes: archive.integer('sizeBytes', 0, { min: 0, max: Number.MAX_SAFE_INTEGER }),
      };
    default:
      return archive.fail(
        'type',
        type === 'oci'
          ? 'cannot be oci here: images need a cluster. Use an archive of files'
          : `must be literal or url, not "${type}"`,
      );
  }
}

function parseBase64(fields: Fields, name: string): Uint8Array {
  const text = fields.string(name).replaceAll(/\s/g, '');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) fields.fail(name, 'must be base64');
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length > LITERAL_LIMIT)
    fields.fail(
      name,
      `must be at most ${LITERAL_LIMIT} bytes, not ${bytes.length}; upload it as an archive instead`,
    );
  return new Uint8Array(bytes);
}

function parseFunction(metadata: Metadata, spec: Fields): FunctionResource {
  const seconds = { min: 0, max: MAX_SECONDS };
  const count = { min: 0, max: MAX_INSTANCES };
  const strategy = spec.mapOrEmpty('InvokeStrategy').mapOrEmpty('ExecutionStrategy');
  const pkg = spec.mapOrEmpty('package');
  const streaming = spec.map('streaming');
  const invocation = spec.map('invocation');
  return {
    kind: 'Function',
    metadata,
    spec: {
      environment: parseReference(spec.mapOrEmpty('environment'), metadata.namespace),
      package: {
        packageref: parseReference(pkg.mapOrEmpty('packageref'), metadata.namespace),
        functionName: pkg.string('functionName'),
      },
      secrets: spec.maps('secrets').map((entry) => parseReference(entry, metadata.namespace)),
      configmaps: spec.maps('configmaps').map((entry) => parseReference(entry, metadata.namespace)),
      env: parseEnvVars(spec),
      // In Fission 0 means "not said" for all of these.
      functionTimeout: spec.integer('functionTimeout', 60, seconds) || 60,
      idletimeout: spec.integer('idletimeout', 120, seconds),
      concurrency: spec.integer('concurrency', 500, count) || 500,
      requestsPerPod: spec.integer('requestsPerPod', 1, count) || 1,
      onceOnly: spec.boolean('onceOnly'),
      retainPods: spec.integer('retainPods', 0, count),
      specializationTimeout: strategy.integer('SpecializationTimeout', 120, seconds) || 120,
      executorType: strategy.oneOf('ExecutorType', ['poolmgr', 'newdeploy', 'container'], 'poolmgr'),
      minScale: strategy.integer('MinScale', 0, count),
      maxScale: strategy.integer('MaxScale', 0, count),
      ...(streaming && streaming.boolean('enabled', true) ? { streaming: parseStreaming(streaming) } : {}),
      ...(invocation ? { invocation: parseInvocation(invocation) } : {}),
      resources: parseLimits(spec.mapOrEmpty('resources')),
    },
  };
}

/** The RFC names the back-off's base and cap, and a default for each of them; they are durations, as maxAge is. */
function parseInvocation(fields: Fields): InvocationConfig {
  const retry = fields.mapOrEmpty('retry');
  const maxAttempts = retry.integer('maxAttempts', 0, { min: 0, max: MAX_ATTEMPTS });
  const backoffBaseMs = parseWait(retry, 'backoffBase');
  const backoffCapMs = parseWait(retry, 'backoffCap');
  const maxAgeMs = parseWait(fields, 'maxAge');
  const onSuccess = parseDestination(fields, 'onSuccess');
  const onFailure = parseDestination(fields, 'onFailure');
  return {
    ...(maxAttempts > 0 ? { maxAttempts } : {}),
    ...(backoffBaseMs === undefined ? {} : { backoffBaseMs }),
    ...(backoffCapMs === undefined ? {} : { backoffCapMs }),
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    ...(onSuccess ? { onSuccess } : {}),
    ...(onFailure ? { onFailure } : {}),
  };
}

/** Milliseconds of a duration above 0; undefined when there is none. */
function parseWait(fields: Fields, name: string): number | undefined {
  const text = fields.string(name);
  if (text === '') return undefined;
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0 || ms > MAX_WAIT_MS)
    fields.fail(name, `must be a duration up to 168h, such as 500ms or 1h30m, not ${JSON.stringify(text)}`);
  return ms;
}

function parseDestination(fields: Fields, name: string): Destination | undefined {
  const destination = fields.map(name);
  if (!destination) return undefined;
  const fn = destination.map('function')?.string('name') ?? '';
  const topic = destination.map('topic')?.string('name') ?? '';
  if ((fn === '') === (topic === ''))
    fields.fail(name, 'must name either a function or a topic: {function: {name: …}} or {topic: {name: …}}');
  return fn === '' ? { type: 'topic', name: topic } : { type: 'function', name: fn };
}

function parseStreaming(fields: Fields): { idleTimeout: number; maxDuration?: number } {
  const seconds = { min: 0, max: MAX_SECONDS };
  const maxDuration = fields.integer('maxDuration', 0, seconds);
  return {
    idleTimeout: fields.integer('idleTimeout', 60, seconds) || 60,
    ...(maxDuration > 0 ? { maxDuration } : {}),
  };
}

function parseHttpTrigger(metadata: Metadata, spec: Fields): HTTPTrigger {
  const relativeurl = spec.string('relativeurl');
  const prefix = spec.string('prefix');
  if (relativeurl === '' && prefix === '') spec.fail('relativeurl', 'or spec.prefix must be given');
  for (const [name, path] of [
    ['relativeurl', relativeurl],
    ['prefix', prefix],
  ] as const)
    checkPath(spec, name, path);
  const cors = spec.map('corsConfig');
  return {
    kind: 'HTTPTrigger',
    metadata,
    spec: {
      relativeurl,
      prefix,
      keepPrefix: spec.boolean('keepPrefix'),
      methods: parseMethods(spec),
      host: spec.string('host'),
      functionref: parseFunctionReference(spec),
      ...(cors ? { corsConfig: parseCors(cors) } : {}),
      invocationMode: spec.oneOf('invocationMode', ['sync', 'async'], 'sync'),
    },
  };
}

function checkPath(spec: Fields, name: 'relativeurl' | 'prefix', path: string): void {
  if (path === '') return;
  if (!path.startsWith('/')) {
    spec.fail(name, `must begin with "/", not ${JSON.stringify(path)}`);
    return;
  }
  try {
    parseTemplate(path, name === 'prefix');
  } catch (error) {
    spec.fail(name, `cannot be the path ${JSON.stringify(path)}: ${(error as Error).message}`);
  }
}

/** `methods`, and the older single `method`; GET when neither says. */
function parseMethods(spec: Fields): string[] {
  const said = [...spec.strings('methods'), spec.string('method')].filter((method) => method !== '');
  const methods = [...new Set(said.map((method) => method.toUpperCase()))];
  for (const method of methods)
    if (!HTTP_METHODS.includes(method))
      spec.fail('methods', `must be HTTP methods (${HTTP_METHODS.join(', ')}), not "${method}"`);
  return methods.length === 0 ? ['GET'] : methods;
}

function parseFunctionReference(spec: Fields): FunctionReference {
  const reference = spec.mapOrEmpty('functionref');
  const type = reference.oneOf('type', ['name', 'function-weights'], 'name');
  if (type === 'name') {
    const name = reference.string('name');
    if (name === '') reference.fail('name', 'must be given');
    checkName(reference, 'name', name);
    return { type, name };
  }
  const weights = reference.mapOrEmpty('functionweights');
  const functionweights = Object.fromEntries(
    weights.keys().map((name) => [name, weights.integer(name, 0, { min: 0, max: 100 })]),
  );
  const names = Object.keys(functionweights);
  if (names.length === 0) reference.fail('functionweights', 'must name at least one function');
  if (names.every((name) => functionweights[name] === 0))
    reference.fail('functionweights', 'must give at least one function a weight above 0');
  return { type, functionweights };
}

function parseCors(cors: Fields): CorsConfig {
  const maxAge = cors.raw('maxAge');
  const fromText = typeof maxAge === 'string' && maxAge !== '' ? parseDuration(maxAge) : undefined;
  return {
    allowOrigins: cors.strings('allowOrigins'),
    allowMethods: cors.strings('allowMethods'),
    allowHeaders: cors.strings('allowHeaders'),
    exposeHeaders: cors.strings('exposeHeaders'),
    allowCredentials: cors.boolean('allowCredentials'),
    maxAge:
      fromText === undefined
        ? cors.integer('maxAge', 0, { min: 0, max: MAX_SECONDS })
        : Math.round(fromText / 1000),
  };
}

function parseMessageQueueTrigger(metadata: Metadata, spec: Fields): MessageQueueTrigger {
  const topic = spec.string('topic');
  checkTopic(spec, 'topic', topic);
  const respTopic = spec.string('respTopic');
  if (respTopic !== '') checkTopic(spec, 'respTopic', respTopic);
  if (respTopic === topic)
    spec.fail('respTopic', `must not be the trigger's own topic "${topic}": it would feed itself`);
  const errorTopic = spec.string('errorTopic');
  if (errorTopic !== '') checkTopic(spec, 'errorTopic', errorTopic);
  const functionref = parseFunctionReference(spec);
  if (functionref.type !== 'name')
    spec.mapOrEmpty('functionref').fail('type', 'must be name for a message queue trigger');
  return {
    kind: 'MessageQueueTrigger',
    metadata,
    spec: {
      functionref,
      messageQueueType: spec.string('messageQueueType') || 'kafka',
      mqtkind: spec.oneOf('mqtkind', ['fission', 'keda'], 'keda'),
      topic,
      respTopic,
      errorTopic,
      maxRetries: spec.integer('maxRetries', 0, { min: 0, max: 1000 }),
      contentType: spec.string('contentType') || 'application/json',
      metadata: spec.stringMap('metadata'),
      secret: spec.string('secret'),
    },
  };
}

/** Kafka's rule for a topic's name. */
function checkTopic(spec: Fields, field: string, topic: string): void {
  if (/^[a-zA-Z0-9._-]{1,249}$/.test(topic) && topic !== '.' && topic !== '..') return;
  spec.fail(
    field,
    topic === ''
      ? 'must be given'
      : `must be letters, digits, ".", "_" and "-", at most 249 long, not ${JSON.stringify(topic)}`,
  );
}

function parseTimeTrigger(metadata: Metadata, spec: Fields): TimeTrigger {
  const cron = spec.string('cron').trim();
  if (cron === '') spec.fail('cron', 'must be given');
  if (!isCron(cron)) spec.fail('cron', `must be five or six fields, or @every, not ${JSON.stringify(cron)}`);
  const functionref = parseFunctionReference(spec);
  if (functionref.type !== 'name')
    spec.mapOrEmpty('functionref').fail('type', 'must be name for a time trigger');
  return {
    kind: 'TimeTrigger',
    metadata,
    spec: {
      cron,
      functionref,
      method: (spec.string('method') || 'POST').toUpperCase(),
      subpath: spec.string('subpath'),
    },
  };
}

/** The form only; the timer knows each field's range (robfig/cron v3, the library of Fission's timer). */
function isCron(text: string): boolean {
  const expression = text.replace(/^(CRON_TZ|TZ)=\S+\s+/, '');
  if (/^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/.test(expression)) return true;
  const every = /^@every (\S+)$/.exec(expression);
  if (every) return (parseDuration(every[1] as string) ?? 0) >= 1;
  const fields = expression.split(/\s+/);
  return (fields.length === 5 || fields.length === 6) && fields.every((field) => /^[\w*/,?#-]+$/.test(field));
}

function parseCanaryConfig(metadata: Metadata, spec: Fields, status: Fields): CanaryConfig {
  const required = (name: string) => spec.string(name) || spec.fail(name, 'must be given');
  const durationText = spec.string('duration') || '2m';
  const duration = parseDuration(durationText);
  if (duration === undefined || duration <= 0)
    return spec.fail('duration', `must be a duration such as 2m or 30s, not "${durationText}"`);
  return {
    kind: 'CanaryConfig',
    metadata,
    spec: {
      trigger: required('trigger'),
      newfunction: required('newfunction'),
      oldfunction: required('oldfunction'),
      weightincrement: spec.integer('weightincrement', 20, { min: 1, max: 100 }),
      weightincrementduration: duration,
      failurethreshold: spec.integer('failurethreshold', 10, { min: 0, max: 100 }),
      failureType: spec.string('failureType') || 'status-code',
    },
    status: { status: status.oneOf('status', ['pending', 'succeeded', 'failed', 'aborted'], 'pending') },
  };
}
