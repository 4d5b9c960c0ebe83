import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toManifest, fromManifest } from './manifest.ts';
import { parseSpec } from './parse.ts';
import { formatProblem } from './problem.ts';
import type { FunctionResource, HTTPTrigger, Resource } from './resources.ts';
import { runtimeOf } from './runtime.ts';
import { validateSpec } from './validate.ts';

const FUNCTION = `
apiVersion: fission.io/v1
kind: Function
metadata:
  name: hello
  creationTimestamp: null
spec:
  Concurrency: 7
  configmaps: null
  secrets: null
  environment: { name: nodejs, namespace: default }
  package:
    packageref: { name: hello-pkg }
    functionName: user.main
  somethingNew: { nobody: [knows, it] }
  InvokeStrategy:
    ExecutionStrategy: { ExecutorType: newdeploy, MinScale: 1 }
`;

void test('a function takes Fission defaults, whatever the case of its keys, nulls and fields nobody knows', () => {
  const fn = one<FunctionResource>(FUNCTION);
  assert.equal(fn.metadata.namespace, 'default');
  assert.equal(fn.spec.concurrency, 7);
  assert.equal(fn.spec.functionTimeout, 60);
  assert.equal(fn.spec.idletimeout, 120);
  assert.equal(fn.spec.requestsPerPod, 1);
  assert.equal(fn.spec.executorType, 'newdeploy');
  assert.equal(fn.spec.minScale, 1);
  assert.deepEqual(fn.spec.package, {
    packageref: { name: 'hello-pkg', namespace: 'default' },
    functionName: 'user.main',
  });
  assert.deepEqual(fn.spec.secrets, []);
});

void test('an environment of version 1 or 2 has a pool of three; version 3 says its own, also none', () => {
  const env = (version: number) =>
    one(
      `{kind: Environment, metadata: {name: e}, spec: {version: ${version}, poolsize: 0, runtime: {image: node}}}`,
    );
  assert.equal((env(2) as Extract<Resource, { kind: 'Environment' }>).spec.poolsize, 3);
  assert.equal((env(3) as Extract<Resource, { kind: 'Environment' }>).spec.poolsize, 0);
});

void test('the older single method and the list of methods both count', () => {
  const methods = (spec: string) =>
    one<HTTPTrigger>(
      `{kind: HTTPTrigger, metadata: {name: t}, spec: {relativeurl: /a, functionref: {name: f}, ${spec}}}`,
    ).spec.methods;
  assert.deepEqual(methods('method: POST'), ['POST']);
  assert.deepEqual(methods('methods: [get, PUT], method: ""'), ['GET', 'PUT']);
  assert.deepEqual(methods('methods: null'), ['GET']);
});

void test('every kind survives the way to a manifest and back', () => {
  const text = `
kind: Environment
metadata: { name: e, labels: { team: a } }
spec: { version: 3, runtime: { image: x/python-env, container: { env: [{ name: A, value: "1" }] } }, builder: { image: b, command: build }, resources: { limits: { memory: 128Mi, cpu: 500m } } }
---
${FUNCTION}
---
{ kind: Package, metadata: { name: p }, spec: { environment: { name: e }, deployment: { type: literal, literal: aGk= } } }
---
{ kind: Package, metadata: { name: q }, spec: { environment: { name: e }, source: { type: url, url: "https://a/b.zip", checksum: { type: sha256, sum: ${'ab'.repeat(32)} } }, buildcmd: ./build.sh } }
---
{ kind: HTTPTrigger, metadata: { name: t }, spec: { prefix: /p, keepPrefix: true, host: a.b, functionref: { type: function-weights, functionweights: { a: 10, b: 90 } }, corsConfig: { allowOrigins: ["*"], maxAge: 10m } } }
---
{ kind: MessageQueueTrigger, metadata: { name: m }, spec: { functionref: { type: name, name: f }, messageQueueType: kafka, mqtkind: fission, topic: a, respTopic: b, errorTopic: c, maxRetries: 2, metadata: { k: v } } }
---
{ kind: TimeTrigger, metadata: { name: tt }, spec: { cron: "@every 30s", functionref: { name: f } } }
---
{ kind: CanaryConfig, metadata: { name: c }, spec: { trigger: t, newfunction: a, oldfunction: b, duration: 1m30s } }
`;
  const parsed = parseSpec(text, 'all.yaml');
  assert.deepEqual(parsed.problems.map(formatProblem), []);
  assert.equal(parsed.resources.length, 8);
  for (const { value } of parsed.resources)
    assert.deepEqual(fromManifest(JSON.parse(JSON.stringify(toManifest(value)))), value);
});

const FAULTS: readonly (readonly [name: string, yaml: string, says: RegExp])[] = [
  [
    'a wrong type',
    `kind: TimeTrigger\nmetadata: {name: t}\nspec:\n  cron: 5\n`,
    /^f\.yaml:4: spec\.cron must be a string, not 5; put it in quotes/,
  ],
  [
    'a number out of range',
    `kind: Function\nmetadata: {name: f}\nspec:\n  environment: {name: e}\n  package: {packageref: {name: p}}\n  functionTimeout: -3\n`,
    /^f\.yaml:6: spec\.functionTimeout must lie between/,
  ],
  [
    'a missing field',
    `kind: Environment\nmetadata:\n  namespace: x\n`,
    /^f\.yaml:3: metadata\.name must be given/,
  ],
  [
    'a name that is a path',
    `kind: Environment\nmetadata: {name: ../../etc}\nspec: {runtime: {image: node}}`,
    /metadata\.name must be lower-case/,
  ],
  [
    'a topic that feeds itself',
    `{kind: MessageQueueTrigger, metadata: {name: m}, spec: {topic: a, respTopic: a, functionref: {name: f}}}`,
    /spec\.respTopic must not be the trigger's own topic "a"/,
  ],
  [
    'an archive of an image',
    `{kind: Package, metadata: {name: p}, spec: {environment: {name: e}, deployment: {type: oci}}}`,
    /spec\.deployment\.type cannot be oci here/,
  ],
  ['a document without a kind', `metadata: {name: x}`, /^f\.yaml:1: kind must be given/],
  [
    'a path that matches nothing',
    `{kind: HTTPTrigger, metadata: {name: t}, spec: {relativeurl: "/a/{id:[}", functionref: {name: f}}}`,
    /spec\.relativeurl cannot be the path "\/a\/\{id:\[\}": its regular expression is not valid/,
  ],
  ['broken YAML', `kind: [Environment\nmetadata: x`, /^f\.yaml:\d+: is not YAML/],
  ['a list instead of a map', `- a\n- b`, /^f\.yaml:1: must be a map, not \["a","b"\]/],
  [
    'a bad cron expression',
    `{kind: TimeTrigger, metadata: {name: t}, spec: {cron: "every day", functionref: {name: f}}}`,
    /spec\.cron must be five or six fields/,
  ],
];

for (const [name, yaml, says] of FAULTS)
  void test(`${name} is told with file, line and field`, () => {
    const { problems } = parseSpec(yaml, 'f.yaml');
    assert.equal(problems.length, 1);
    assert.match(formatProblem(problems[0] as (typeof problems)[number]), says);
  });

void test('one bad document does not hide the others', () => {
  const { resources, problems } = parseSpec(`kind: Environment\n---\n${FUNCTION}`, 'f.yaml');
  assert.equal(problems.length, 1);
  assert.equal(resources.length, 1);
});

void test('a bomb of aliases and a mountain of brackets are refused, not unfolded', () => {
  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x, x, x]',
    ...'bcdefghi'
      .split('')
      .map((name, index) => `${name}: &${name} [${Array(10).fill(`*${'abcdefghi'[index]}`).join(', ')}]`),
  ].join('\n');
  const { problems } = parseSpec(`kind: Environment\n${bomb}`, 'bomb.yaml');
  assert.match(formatProblem(problems[0] as (typeof problems)[number]), /bomb\.yaml.*alias/i);
  assert.equal(parseSpec('['.repeat(100_000), 'deep.yaml').problems.length, 1);
});

void test('kinds of a cluster are accepted and reported', () => {
  const { problems, warnings } = parseSpec(
    'kind: KubernetesWatchTrigger\n---\nkind: Cake\n---\nkind: Functoin\n',
    'w.yaml',
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(warnings, [
    'w.yaml:1: kind KubernetesWatchTrigger is not supported here and has no effect',
    'w.yaml:3: kind Cake is not known and has no effect',
    "w.yaml:5: kind Functoin is not known and has no effect. Did you mean 'Function'?",
  ]);
});

void test('validation names what is declared twice, what refers to nothing and what nobody uses', () => {
  const spec = parseSpec(
    `${FUNCTION}---\n${FUNCTION}---\n{kind: Package, metadata: {name: idle}, spec: {environment: {name: nodejs}, deployment: {url: "archive://none"}}}`,
    's.yaml',
  );
  const { problems, warnings } = validateSpec(spec, (kind) => kind === 'Environment');
  const lines = problems.map(formatProblem);
  assert.match(
    lines[0] as string,
    /^s\.yaml:\d+: metadata\.name function 'hello' is declared twice, first in s\.yaml:2$/,
  );
  assert.ok(
    lines.some((line) =>
      /spec\.package\.packageref of function 'hello' refers to package 'hello-pkg', which is not there/.test(
        line,
      ),
    ),
  );
  assert.ok(lines.some((line) => /refers to archive "none", which no ArchiveUploadSpec declares/.test(line)));
  assert.deepEqual(
    warnings.map((line) => line.replace(/^.*?: /, '')),
    ["package 'idle' is not used by any function"],
  );
});

void test('how asynchronous invocations are delivered is read, kept and checked', () => {
  const text = (invocation: string) =>
    `{kind: Function, metadata: {name: f}, spec: {environment: {name: e}, package: {packageref: {name: p}}, invocation: ${invocation}}}`;
  const fn = one<FunctionResource>(
    text(
      '{retry: {maxAttempts: 5, backoffBase: 1s, backoffCap: 1m}, maxAge: 1h30m, onSuccess: {function: {name: g}}, onFailure: {topic: {name: t}}}',
    ),
  );
  assert.deepEqual(fn.spec.invocation, {
    maxAttempts: 5,
    backoffBaseMs: 1_000,
    backoffCapMs: 60_000,
    maxAgeMs: 5_400_000,
    onSuccess: { type: 'function', name: 'g' },
    onFailure: { type: 'topic', name: 't' },
  });
  assert.deepEqual(fromManifest(toManifest(fn)), fn);
  for (const [faulty, message] of [
    ['{maxAge: soon}', /spec\.invocation\.maxAge.*duration/],
    ['{retry: {maxAttempts: 1000}}', /maxAttempts.*between/],
    ['{onSuccess: {}}', /onSuccess.*either a function or a topic/],
    ['{onFailure: {function: {name: a}, topic: {name: b}}}', /onFailure.*either/],
  ] as const) {
    const [problem] = parseSpec(text(faulty), 'one.yaml').problems;
    assert.match(problem ? formatProblem(problem) : '', message);
  }
});

void test('an image name selects our environment of its language', () => {
  const runtime = (image: string) =>
    runtimeOf(one(`{kind: Environment, metadata: {name: e}, spec: {runtime: {image: "${image}"}}}`));
  for (const image of [
    'node',
    'nodejs',
    'fission/node-env',
    'ghcr.io/fission/node-env-22:1.2',
    'localhost:5000/node-env@sha256:ab',
    'node22',
  ])
    assert.equal(runtime(image), 'node');
  for (const image of [
    'python',
    'python3',
    'python3.12-slim',
    'ghcr.io/fission/python-env',
    'fission/python-fastapi-env:latest',
  ])
    assert.equal(runtime(image), 'python');
  assert.throws(() => runtime('fission/go-env'), { reason: 'not_supported', message: /\[fission\/go-env\]/ });
  for (const image of ['nodemon', 'pythonista', 'node_exporter'])
    assert.throws(() => runtime(image), { reason: 'not_supported' });
});

/** The only resource of a text, as what the test says it is. */
// eslint-disable-next-line typescript/no-unnecessary-type-parameters
function one<R extends Resource>(yaml: string): R {
  const { resources, problems } = parseSpec(yaml, 'one.yaml');
  assert.deepEqual(problems.map(formatProblem), []);
  return resources[0]?.value as R;
}
