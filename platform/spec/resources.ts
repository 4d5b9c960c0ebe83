/**
 * What users declare, after parsing: Fission's resources (fission.io/v1) with every default filled in, so that past this
 * point nothing is optional that is not optional in life. Field names are Fission's.
 */
export type Resource =
  | Environment
  | Package
  | FunctionResource
  | HTTPTrigger
  | MessageQueueTrigger
  | TimeTrigger
  | CanaryConfig;

export type Kind = Resource['kind'];

export interface Metadata {
  readonly name: string;
  readonly namespace: string;
  /** UUID, given when the resource is first kept. */
  readonly uid: string;
  /** Goes up with each change of the spec; starts at 1. */
  readonly generation: number;
  readonly resourceVersion: string;
  /** RFC 3339. */
  readonly creationTimestamp: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Environment {
  readonly kind: 'Environment';
  readonly metadata: Metadata;
  readonly spec: {
    readonly version: 1 | 2 | 3;
    readonly runtime: { readonly image: string; readonly env: readonly EnvVar[] };
    readonly builder?: { readonly image: string; readonly command: string; readonly env: readonly EnvVar[] };
    /** Warm generic instances. v1 and v2 are fixed at 3. */
    readonly poolsize: number;
    readonly keeparchive: boolean;
    readonly allowedFunctionsPerContainer: 'single' | 'infinite';
    /** Seconds. */
    readonly terminationGracePeriod: number;
    readonly resources: ResourceLimits;
  };
}

export interface EnvVar {
  readonly name: string;
  readonly value: string;
}

export interface ResourceLimits {
  /** Bytes; undefined for no limit. */
  readonly memoryLimitBytes?: number;
  /** Cores; undefined for no limit. */
  readonly cpuLimit?: number;
}

export interface Package {
  readonly kind: 'Package';
  readonly metadata: Metadata;
  readonly spec: {
    readonly environment: Reference;
    readonly source?: Archive;
    readonly deployment?: Archive;
    readonly buildcmd: string;
  };
  readonly status: {
    readonly buildstatus: 'pending' | 'running' | 'succeeded' | 'failed' | 'none';
    readonly buildlog: string;
  };
}

/** A literal (base64 in YAML), a URL with its sha256, or a file the registry keeps, named by its sha256. */
export type Archive =
  | { readonly type: 'literal'; readonly literal: Uint8Array }
  | { readonly type: 'url'; readonly url: string; readonly sha256?: string }
  | { readonly type: 'kept'; readonly sha256: string; readonly sizeBytes: number };

export interface Reference {
  readonly name: string;
  readonly namespace: string;
}

export interface FunctionResource {
  readonly kind: 'Function';
  readonly metadata: Metadata;
  readonly spec: {
    readonly environment: Reference;
    readonly package: { readonly packageref: Reference; readonly functionName: string };
    readonly secrets: readonly Reference[];
    readonly configmaps: readonly Reference[];
    readonly env: readonly EnvVar[];
    /** Seconds, default 60. */
    readonly functionTimeout: number;
    /** Seconds, default 120: how long a specialized instance may stay idle. */
    readonly idletimeout: number;
    /** Most instances at a time, default 500. */
    readonly concurrency: number;
    /** Default 1. */
    readonly requestsPerPod: number;
    readonly onceOnly: boolean;
    readonly retainPods: number;
    /** Seconds, default 120. */
    readonly specializationTimeout: number;
    readonly executorType: 'poolmgr' | 'newdeploy' | 'container';
    readonly minScale: number;
    readonly maxScale: number;
    readonly streaming?: { readonly idleTimeout: number; readonly maxDuration?: number };
    readonly invocation?: InvocationConfig;
    readonly resources: ResourceLimits;
  };
}

/** How asynchronous invocations of a function are delivered (Fission's RFC-0024). What is not said is the platform's default. */
export interface InvocationConfig {
  readonly maxAttempts?: number;
  readonly backoffBaseMs?: number;
  readonly backoffCapMs?: number;
  readonly maxAgeMs?: number;
  /** Who is told of the outcome. */
  readonly onSuccess?: Destination;
  readonly onFailure?: Destination;
}

/** A function of the same namespace, or a topic. */
export interface Destination {
  readonly type: 'function' | 'topic';
  readonly name: string;
}

export interface HTTPTrigger {
  readonly kind: 'HTTPTrigger';
  readonly metadata: Metadata;
  readonly spec: {
    /** `/path/{var:regex}`; '' when `prefix` is given. */
    readonly relativeurl: string;
    readonly prefix: string;
    readonly keepPrefix: boolean;
    readonly methods: readonly string[];
    readonly host: string;
    readonly functionref: FunctionReference;
    readonly corsConfig?: CorsConfig;
    readonly invocationMode: 'sync' | 'async';
  };
}

export type FunctionReference =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'function-weights'; readonly functionweights: Readonly<Record<string, number>> };

export interface CorsConfig {
  readonly allowOrigins: readonly string[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly allowCredentials: boolean;
  /** Seconds. */
  readonly maxAge: number;
}

export interface MessageQueueTrigger {
  readonly kind: 'MessageQueueTrigger';
  readonly metadata: Metadata;
  readonly spec: {
    readonly functionref: FunctionReference;
    readonly messageQueueType: string;
    readonly mqtkind: 'fission' | 'keda';
    readonly topic: string;
    /** '' for none. */
    readonly respTopic: string;
    readonly errorTopic: string;
    readonly maxRetries: number;
    readonly contentType: string;
    /** KEDA's metadata and our own options (`consumerGroup`, `batchSize`, `traceContext: parent|links`, `parallelism`, …). */
    readonly metadata: Readonly<Record<string, string>>;
    readonly secret: string;
  };
}

export interface TimeTrigger {
  readonly kind: 'TimeTrigger';
  readonly metadata: Metadata;
  readonly spec: {
    readonly cron: string;
    readonly functionref: FunctionReference;
    readonly method: string;
    readonly subpath: string;
  };
}

export interface CanaryConfig {
  readonly kind: 'CanaryConfig';
  readonly metadata: Metadata;
  readonly spec: {
    readonly trigger: string;
    readonly newfunction: string;
    readonly oldfunction: string;
    readonly weightincrement: number;
    /** Milliseconds. */
    readonly weightincrementduration: number;
    readonly failurethreshold: number;
    readonly failureType: string;
  };
  readonly status: { readonly status: 'pending' | 'succeeded' | 'failed' | 'aborted' };
}

/** `namespace/name`: how resources of one kind are told apart. */
export function keyOf(reference: { readonly name: string; readonly namespace: string }): string {
  return `${reference.namespace}/${reference.name}`;
}
