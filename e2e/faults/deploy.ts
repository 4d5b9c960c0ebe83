import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { applyDirectory } from '../../cli/verbs/spec.ts';
import type { SpoorUp } from '../support/spoor.ts';

const FUNCTIONS = join(import.meta.dirname, 'functions');

/** By how many warm processes it keeps. `pooled` and `unpooled` start slowly while the flag `start` is up. */
const ENVIRONMENTS = { nodejs: 2, pooled: 1, unpooled: 0 } as const;
type Environment = keyof typeof ENVIRONMENTS;

/** A function of this folder, under a name of its own, behind `/NAME`. */
export interface Planted {
  readonly name: string;
  /** File in `functions/`, without `.js`. */
  readonly source: string;
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly environment?: Environment;
  readonly trigger?: { readonly topic: string; readonly metadata?: Readonly<Record<string, string>> };
}

export const PLANTED: readonly Planted[] = [
  { name: 'worker', source: 'worker' },
  { name: 'target', source: 'worker' },
  { name: 'front', source: 'worker' },
  { name: 'sender', source: 'sender' },
  { name: 'release', source: 'worker' },
  { name: 'hog', source: 'worker', spec: { resources: { limits: { memory: '32Mi' } }, requestsPerPod: 1 } },
  { name: 'lone', source: 'worker', spec: { concurrency: 1, requestsPerPod: 1 } },
  { name: 'fresh', source: 'worker', spec: { onceOnly: true } },
  // What it gave way to once it cannot take back.
  { name: 'meek', source: 'worker', spec: { onceOnly: true } },
  { name: 'starter', source: 'worker', spec: { onceOnly: true }, environment: 'unpooled' },
  { name: 'pooler', source: 'worker', spec: { onceOnly: true }, environment: 'pooled' },
  { name: 'parcel', source: 'worker', spec: { onceOnly: true } },
  { name: 'crowd', source: 'worker', spec: { concurrency: 1 } },
  { name: 'absent', source: 'worker', trigger: { topic: 'absent' } },
  {
    name: 'reader',
    source: 'worker',
    trigger: { topic: 'work', metadata: { parallelism: '1' } },
    spec: { requestsPerPod: 10 },
  },
  { name: 'hasty', source: 'worker', trigger: { topic: 'hasty', metadata: { retryBackoffMs: '0' } } },
  { name: 'patient', source: 'worker', trigger: { topic: 'patient', metadata: { retryBackoffMs: '400' } } },
  { name: 'busy', source: 'worker', trigger: { topic: 'busy' }, spec: { concurrency: 1, requestsPerPod: 1 } },
  {
    name: 'batcher',
    source: 'worker',
    trigger: { topic: 'batches', metadata: { batchSize: '10' } },
    spec: { requestsPerPod: 10 },
  },
];

/** Deploys them all; `replaced` gives some another source. Applied again, only what changed is changed. */
export async function deployPlanted(
  up: SpoorUp,
  replaced: Readonly<Record<string, string>> = {},
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'spoor-faults-'));
  try {
    const documents: object[] = [
      {
        apiVersion: 'fission.io/v1',
        kind: 'DeploymentConfig',
        name: 'faults',
        uid: '8d0c3d2e-4d0b-4c64-8b5e-3f7f6a1d9b10',
      },
      ...(Object.keys(ENVIRONMENTS) as Environment[]).map(environment),
    ];
    for (const planted of PLANTED) {
      const source = replaced[planted.name] ?? planted.source;
      await mkdir(join(dir, 'functions', planted.name), { recursive: true });
      await cp(join(FUNCTIONS, `${source}.js`), join(dir, 'functions', planted.name, 'index.js'));
      documents.push(...resourcesOf(planted, source));
    }
    await mkdir(join(dir, 'specs'));
    await writeFile(
      join(dir, 'specs', 'faults.yaml'),
      documents.map((each) => stringify(each)).join('---\n'),
    );
    await applyDirectory(up.internal, join(dir, 'specs'), { wait: true });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function environment(name: Environment): object {
  const preload = join(FUNCTIONS, 'slow-start.cjs');
  return {
    ...head('Environment', `faults-${name}`),
    spec: {
      version: 3,
      runtime: {
        image: 'ghcr.io/fission/node-env',
        ...(name === 'nodejs'
          ? {}
          : { container: { env: [{ name: 'NODE_OPTIONS', value: `--require ${preload}` }] } }),
      },
      poolsize: ENVIRONMENTS[name],
    },
  };
}

function resourcesOf(planted: Planted, source: string): object[] {
  const { name, trigger } = planted;
  const env = {
    name: `faults-${planted.environment ?? 'nodejs'}`,
    namespace: 'default',
  };
  return [
    { kind: 'ArchiveUploadSpec', name, include: [`functions/${name}/*.js`] },
    {
      ...head('Package', name),
      spec: { environment: env, deployment: { type: 'url', url: `archive://${name}` }, source: {} },
      status: { buildstatus: 'succeeded' },
    },
    {
      ...head('Function', name),
      metadata: { name, namespace: 'default', labels: { source } },
      spec: {
        environment: env,
        package: { packageref: { name, namespace: 'default' }, functionName: '' },
        InvokeStrategy: { StrategyType: 'execution', ExecutionStrategy: { ExecutorType: 'poolmgr' } },
        functionTimeout: 10,
        // Longer than a whole run of all kinds: what is healthy stays warm.
        idletimeout: 3_600,
        concurrency: 20,
        requestsPerPod: 10,
        secrets: null,
        configmaps: null,
        ...planted.spec,
      },
    },
    {
      ...head('HTTPTrigger', name),
      spec: { relativeurl: `/${name}`, methods: ['GET', 'POST'], functionref: { type: 'name', name } },
    },
    ...(trigger
      ? [
          {
            ...head('MessageQueueTrigger', name),
            spec: {
              functionref: { type: 'name', name },
              messageQueueType: 'kafka',
              mqtkind: 'fission',
              topic: trigger.topic,
              respTopic: '',
              errorTopic: `${trigger.topic}-errors`,
              maxRetries: 1,
              contentType: 'application/json',
              metadata: { offsetResetPolicy: 'earliest', ...trigger.metadata },
            },
          },
        ]
      : []),
  ];
}

function head(kind: string, name: string) {
  return { apiVersion: 'fission.io/v1', kind, metadata: { name, namespace: 'default' } };
}
