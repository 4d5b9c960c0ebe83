import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** An application of one function that answers what it was sent; its folder of specs. */
export async function writeEcho(folder: string, options: { readonly isTraced: boolean }): Promise<string> {
  const app = join(folder, 'app');
  await mkdir(join(app, 'specs'), { recursive: true });
  await mkdir(join(app, 'functions'));
  await writeFile(
    join(app, 'functions/echo.js'),
    'module.exports = async ({ request }) => ({ status: 200, body: request.body });\n',
  );
  const environment = options.isTraced
    ? ''
    : '\n    container: { env: [{ name: OTEL_TRACES_SAMPLER, value: always_off }] }';
  await writeFile(
    join(app, 'specs/echo.yaml'),
    `apiVersion: fission.io/v1
kind: DeploymentConfig
name: echo
uid: 0b6b1c6e-0f3c-4a53-8c6e-7a2a7ad2a111
---
apiVersion: fission.io/v1
kind: Environment
metadata: { name: nodejs, namespace: default }
spec:
  version: 3
  runtime:
    image: ghcr.io/fission/node-env${environment}
  poolsize: 1
---
kind: ArchiveUploadSpec
name: echo
include: [functions/*.js]
---
apiVersion: fission.io/v1
kind: Package
metadata: { name: echo, namespace: default }
spec:
  environment: { name: nodejs, namespace: default }
  deployment: { type: url, url: "archive://echo" }
  source: {}
status: { buildstatus: succeeded }
---
apiVersion: fission.io/v1
kind: Function
metadata: { name: echo, namespace: default }
spec:
  environment: { name: nodejs, namespace: default }
  package: { packageref: { name: echo, namespace: default }, functionName: echo }
  InvokeStrategy: { StrategyType: execution, ExecutionStrategy: { ExecutorType: poolmgr } }
  functionTimeout: 60
  idletimeout: 120
  concurrency: 1
  requestsPerPod: 100
`,
  );
  return join(app, 'specs');
}

/** Echoes `topic` to `answers`. Puts a file into the folder of specs. */
export async function writeTrigger(
  specs: string,
  trigger: {
    readonly name: string;
    readonly topic: string;
    readonly answers: string;
    readonly parallelism: number;
  },
): Promise<void> {
  await writeFile(
    join(specs, `trigger-${trigger.name}.yaml`),
    `apiVersion: fission.io/v1
kind: MessageQueueTrigger
metadata: { name: ${trigger.name}, namespace: default }
spec:
  functionref: { type: name, name: echo }
  messageQueueType: kafka
  mqtkind: fission
  topic: ${trigger.topic}
  respTopic: ${trigger.answers}
  maxRetries: 0
  contentType: application/json
  metadata: { offsetResetPolicy: earliest, parallelism: "${trigger.parallelism}" }
`,
  );
}
