import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { kafkaClassPath, run } from './jars.ts';

export interface KafkaOptions {
  /** 1 or 3: each is broker and controller. Topics are replicated to all of them. */
  readonly brokers?: 1 | 3;
  /** Adds listeners that want a user (`USER`), one of them over TLS. */
  readonly security?: boolean;
}

export interface Kafka extends AsyncDisposable {
  /** `host:port` of each broker's open listener. */
  readonly brokers: readonly string[];
  /** With `security`: listeners for SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512), without and with TLS. */
  readonly sasl: readonly string[];
  readonly saslTls: readonly string[];
  /** PEM of the certificate that the TLS listeners show; it names localhost. */
  readonly certificate: string;
  /** SIGKILL; resolves when the process is gone. */
  kill(i: number): Promise<void>;
  /** Starts it again with the same data and ports, after a kill or not. */
  restart(i: number): Promise<void>;
}

export const USER = { username: 'ada', password: 'engine' } as const;

/** Small, for a machine of two cores: a broker that starts soon matters more than one that is fast for days. */
const JVM = ['-Xmx384m', '-Xms128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];
const START_TIMEOUT_MS = 120_000;
const KEYSTORE_PASSWORD = 'changeit';

/** Real Apache Kafka in KRaft mode on free ports, its data in a temporary folder that goes with it. */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const count = options.brokers ?? 1;
  const say = (line: string) => process.stderr.write(`kafka: ${line}\n`);
  const classPath = await kafkaClassPath(say);
  await using starting = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'spoor-kafka-'));
  starting.defer(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'log4j2.properties'), LOG4J);
  const certificate = options.security ? await makeKeystore(folder) : '';
  const nodes = await Promise.all(
    Array.from({ length: count }, async (_, i): Promise<Node> => {
      const [open, controller, sasl, saslTls] = await freePorts(4);
      return { id: i + 1, open, controller, sasl, saslTls, child: undefined } as Node;
    }),
  );
  const clusterId = randomBytes(16).toString('base64url');
  await Promise.all(
    nodes.map(async (node) => {
      await writeFile(propertiesOf(node, folder), properties(node, nodes, folder, options.security === true));
      await run('java', [
        ...java(classPath, folder),
        'kafka.tools.StorageTool',
        'format',
        // One that begins with a dash would be taken for an option of its own.
        `--cluster-id=${clusterId}`,
        '--config',
        propertiesOf(node, folder),
        ...(options.security ? scramUsers() : []),
      ]);
    }),
  );
  starting.defer(async () => {
    await Promise.all(nodes.map(kill));
  });
  await Promise.all(nodes.map((node) => startNode(node, classPath, folder)));
  const stack = starting.move();
  const at = (i: number): Node => {
    const node = nodes[i];
    if (!node) throw new RangeError(`there is no broker ${i}: there are ${count}`);
    return node;
  };
  return {
    brokers: nodes.map((node) => `127.0.0.1:${node.open}`),
    sasl: nodes.map((node) => `127.0.0.1:${node.sasl}`),
    saslTls: nodes.map((node) => `localhost:${node.saslTls}`),
    certificate,
    kill: (i) => kill(at(i)),
    async restart(i) {
      await kill(at(i));
      await startNode(at(i), classPath, folder);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

interface Node {
  readonly id: number;
  readonly open: number;
  readonly controller: number;
  readonly sasl: number;
  readonly saslTls: number;
  child: ChildProcess | undefined;
}

/** Resolves when the broker says that it has started. */
async function startNode(node: Node, classPath: string, folder: string): Promise<void> {
  const child = spawn('java', [...java(classPath, folder), 'kafka.Kafka', propertiesOf(node, folder)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  node.child = child;
  // A test that is killed takes its brokers along.
  const killWithUs = () => void child.kill('SIGKILL');
  process.once('exit', killWithUs);
  child.once('exit', () => process.removeListener('exit', killWithUs));
  const said: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (why: string) =>
    reject(new Error(`cannot start Kafka broker ${node.id}: ${why}\n${said.slice(-40).join('\n')}`));
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      said.push(line);
      if (said.length > 400) said.splice(0, 200);
      if (line.includes('Kafka Server started')) resolve();
    });
  child.once('error', (error) => fail(error.message));
  child.once('exit', (code, signal) => fail(`it ended with ${signal ?? code}`));
  const late = setTimeout(() => fail(`nothing after ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
  try {
    await promise;
  } finally {
    clearTimeout(late);
  }
}

async function kill(node: Node): Promise<void> {
  const { child } = node;
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

function java(classPath: string, folder: string): string[] {
  return [...JVM, `-Dlog4j2.configurationFile=${join(folder, 'log4j2.properties')}`, '-cp', classPath];
}

function propertiesOf(node: Node, folder: string): string {
  return join(folder, `server-${node.id}.properties`);
}

function properties(node: Node, nodes: readonly Node[], folder: string, security: boolean): string {
  const replicas = nodes.length;
  const open = [`OPEN://127.0.0.1:${node.open}`];
  if (security) open.push(`SASL://127.0.0.1:${node.sasl}`, `SASLTLS://localhost:${node.saslTls}`);
  const lines: Record<string, string | number> = {
    'node.id': node.id,
    'process.roles': 'broker,controller',
    'controller.quorum.voters': nodes.map(({ id, controller }) => `${id}@127.0.0.1:${controller}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'OPEN',
    listeners: [...open, `CONTROLLER://127.0.0.1:${node.controller}`].join(','),
    'advertised.listeners': open.join(','),
    'listener.security.protocol.map':
      'OPEN:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,SASLTLS:SASL_SSL',
    'log.dirs': join(folder, `data-${node.id}`),
    'num.partitions': 4,
    'default.replication.factor': replicas,
    'min.insync.replicas': replicas > 1 ? 2 : 1,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 2,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': 'false',
    'num.network.threads': 2,
    'num.io.threads': 2,
    'num.recovery.threads.per.data.dir': 1,
    'log.cleaner.enable': 'false',
  };
  if (security) {
    for (const listener of ['sasl', 'sasltls']) {
      const prefix = `listener.name.${listener}`;
      lines[`${prefix}.sasl.enabled.mechanisms`] = 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512';
      lines[`${prefix}.plain.sasl.jaas.config`] =
        `org.apache.kafka.common.security.plain.PlainLoginModule required user_${USER.username}="${USER.password}";`;
      for (const scram of ['scram-sha-256', 'scram-sha-512'])
        lines[`${prefix}.${scram}.sasl.jaas.config`] =
          'org.apache.kafka.common.security.scram.ScramLoginModule required;';
    }
    lines['ssl.keystore.location'] = join(folder, 'keystore.p12');
    lines['ssl.keystore.type'] = 'PKCS12';
    lines['ssl.keystore.password'] = KEYSTORE_PASSWORD;
    lines['ssl.key.password'] = KEYSTORE_PASSWORD;
  }
  return Object.entries(lines)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

function scramUsers(): string[] {
  return ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${USER.username},password=${USER.password}]`,
  ]);
}

/** A key pair and a self-signed certificate for localhost; its PEM. */
async function makeKeystore(folder: string): Promise<string> {
  const keystore = [
    '-keystore',
    join(folder, 'keystore.p12'),
    '-storepass',
    KEYSTORE_PASSWORD,
    '-alias',
    'kafka',
  ];
  await run('keytool', [
    '-genkeypair',
    ...keystore,
    '-storetype',
    'PKCS12',
    '-keyalg',
    'EC',
    '-dname',
    'CN=localhost',
    '-ext',
    'SAN=dns:localhost,ip:127.0.0.1',
  ]);
  const pem = join(folder, 'certificate.pem');
  await run('keytool', ['-exportcert', ...keystore, '-rfc', '-file', pem]);
  return readFile(pem, 'utf8');
}

/** All held at once, so that they differ; the brokers take them a moment later. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

const LOG4J = `status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %p %m (%c{1})%n%throwable{short}
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
`;
