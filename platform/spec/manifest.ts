import { formatDuration } from './units.ts';
import { Fields } from './fields.ts';
import { parseResource } from './parse-resource.ts';
import { problemsFailure, ProblemError } from './problem.ts';
import type {
  Archive,
  Destination,
  EnvVar,
  InvocationConfig,
  Kind,
  Resource,
  ResourceLimits,
} from './resources.ts';
import { ALL_KINDS } from './kinds.ts';
import { Failure } from '../../server/failure.ts';

/** A resource as plain JSON in Fission's own form: what YAML files, the control API and the registry's table hold. */
export interface Manifest {
  readonly apiVersion: 'fission.io/v1';
  readonly kind: Kind;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

export function toManifest(resource: Resource): Manifest {
  const { metadata } = resource;
  return {
    apiVersion: 'fission.io/v1',
    kind: resource.kind,
    metadata: {
      name: metadata.name,
      namespace: metadata.namespace,
      ...(metadata.uid === '' ? {} : { uid: metadata.uid }),
      ...(metadata.generation === 0 ? {} : { generation: metadata.generation }),
      ...(metadata.resourceVersion === '' ? {} : { resourceVersion: metadata.resourceVersion }),
      ...(metadata.creationTimestamp === '' ? {} : { creationTimestamp: metadata.creationTimestamp }),
      ...(isEmpty(metadata.labels) ? {} : { labels: metadata.labels }),
      ...(isEmpty(metadata.annotations) ? {} : { annotations: metadata.annotations }),
    },
    spec: specOf(resource),
    ...('status' in resource ? { status: { ...resource.status } } : {}),
  };
}

/** The inverse of `toManifest`, for anything that came as JSON. Throws a Failure (`bad_request`) that names the field. */
export function fromManifest(value: unknown): Resource {
  const source = { file: '', lineOf: () => undefined };
  try {
    const document = new Fields(value, source);
    const word = document.string('kind');
    const kind = ALL_KINDS.find((known) => known === word);
    if (!kind)
      throw new Failure('spec', 'bad_request', `cannot take a resource of kind ${JSON.stringify(word)}`);
    return parseResource(kind, document);
  } catch (error) {
    if (error instanceof ProblemError) throw problemsFailure('take the resource', [error.problem]);
    throw error;
  }
}

function specOf(resource: Resource): Record<string, unknown> {
  switch (resource.kind) {
    case 'Environment': {
      const { runtime, builder, resources, ...rest } = resource.spec;
      return {
        ...rest,
        runtime: { image: runtime.image, ...containerOf(runtime.env) },
        ...(builder
          ? { builder: { image: builder.image, command: builder.command, ...containerOf(builder.env) } }
          : {}),
        ...resourcesOf(resources),
      };
    }
    case 'Package': {
      const { source, deployment, ...rest } = resource.spec;
      return {
        ...rest,
        ...(source ? { source: archiveOf(source) } : {}),
        ...(deployment ? { deployment: archiveOf(deployment) } : {}),
      };
    }
    case 'Function': {
      const { executorType, minScale, maxScale, specializationTimeout, invocation, resources, ...rest } =
        resource.spec;
      return {
        ...rest,
        InvokeStrategy: {
          StrategyType: 'execution',
          ExecutionStrategy: {
            ExecutorType: executorType,
            MinScale: minScale,
            MaxScale: maxScale,
            SpecializationTimeout: specializationTimeout,
          },
        },
        ...(invocation ? { invocation: invocationOf(invocation) } : {}),
        ...resourcesOf(resources),
      };
    }
    case 'CanaryConfig': {
      const { weightincrementduration, ...rest } = resource.spec;
      return { ...rest, duration: formatDuration(weightincrementduration) };
    }
    case 'HTTPTrigger':
    case 'MessageQueueTrigger':
    case 'TimeTrigger':
      return { ...resource.spec };
  }
}

function archiveOf(archive: Archive): Record<string, unknown> {
  switch (archive.type) {
    case 'literal':
      return { type: 'literal', literal: Buffer.from(archive.literal).toString('base64') };
    case 'url':
      return {
        type: 'url',
        url: archive.url,
        ...(archive.sha256 === undefined ? {} : { checksum: { type: 'sha256', sum: archive.sha256 } }),
      };
    case 'kept':
      return {
        type: 'kept',
        checksum: { type: 'sha256', sum: archive.sha256 },
        sizeBytes: archive.sizeBytes,
      };
  }
}

function invocationOf(config: InvocationConfig): Record<string, unknown> {
  const { maxAttempts, backoffBaseMs, backoffCapMs, maxAgeMs, onSuccess, onFailure } = config;
  const destination = ({ type, name }: Destination) => ({ [type]: { name } });
  return {
    retry: {
      ...(maxAttempts === undefined ? {} : { maxAttempts }),
      ...(backoffBaseMs === undefined ? {} : { backoffBase: formatDuration(backoffBaseMs) }),
      ...(backoffCapMs === undefined ? {} : { backoffCap: formatDuration(backoffCapMs) }),
    },
    ...(maxAgeMs === undefined ? {} : { maxAge: formatDuration(maxAgeMs) }),
    ...(onSuccess ? { onSuccess: destination(onSuccess) } : {}),
    ...(onFailure ? { onFailure: destination(onFailure) } : {}),
  };
}

function containerOf(env: readonly EnvVar[]): { container?: { env: readonly EnvVar[] } } {
  return env.length === 0 ? {} : { container: { env } };
}

function resourcesOf(limits: ResourceLimits): { resources?: { limits: Record<string, number> } } {
  const { memoryLimitBytes, cpuLimit } = limits;
  if (memoryLimitBytes === undefined && cpuLimit === undefined) return {};
  return {
    resources: {
      limits: {
        ...(memoryLimitBytes === undefined ? {} : { memory: memoryLimitBytes }),
        ...(cpuLimit === undefined ? {} : { cpu: cpuLimit }),
      },
    },
  };
}

function isEmpty(map: object): boolean {
  return Object.keys(map).length === 0;
}
