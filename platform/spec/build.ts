import { cp, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SpanStatusCode, type Attributes, type Context, type Span, type Tracer } from '@opentelemetry/api';
import { Failure } from '../../server/failure.ts';
import { buildCommandOf } from './build-command.ts';
import type { BuildLog } from './build-log.ts';
import { pack } from './pack.ts';
import type { Environment, Package } from './resources.ts';
import { runProgram } from './run-program.ts';
import { runtimeOf } from './runtime.ts';
import { isZip, unzip } from './unzip.ts';

export interface BuildOptions {
  readonly pkg: Package;
  readonly environment: Environment;
  /** The source archive's bytes. */
  readonly readSource: () => Promise<Buffer>;
  /** A folder that is there, empty, and this build's own. */
  readonly directory: string;
  readonly log: BuildLog;
  readonly tracer: Tracer;
  /** Of the span that the phases' spans lie below. */
  readonly context: Context;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Builds a source package as Fission's builder does: the source in `SRC_PKG`, the command run there, what it left in
 * `DEPLOY_PKG` is the deployment archive. Resolves to that archive's bytes. Each phase is a span.
 */
export async function build(options: BuildOptions): Promise<Uint8Array> {
  const { pkg, environment, directory, log } = options;
  const command = buildCommandOf(pkg, environment);
  const source = join(directory, 'src');
  const deploy = join(directory, 'deploy');
  await phase(options, 'unpack source', {}, async (span) => {
    const bytes = await options.readSource();
    span.setAttribute('spoor.archive.size', bytes.length);
    if (isZip(bytes)) {
      await mkdir(source);
      await unzip(bytes, source);
    } else await writeFile(source, bytes, { mode: 0o755 });
  });
  const isFile = (await stat(source)).isFile();
  const programs = command.type === 'program' ? [command.argv] : await installers(source, environment);
  for (const argv of programs) {
    log.line(`$ ${argv.join(' ')}`);
    await phase(options, `run ${argv[0]}`, { 'process.command_args': [...argv] }, () =>
      runProgram(argv, {
        cwd: isFile ? dirname(source) : source,
        env: environmentOf(environment, { SRC_PKG: source, DEPLOY_PKG: deploy }),
        timeoutMs: options.timeoutMs,
        signal: options.signal,
        onOutput: log.write,
      }),
    );
  }
  if (command.type === 'default') {
    if (programs.length === 0) log.line('nothing to install');
    await rename(source, deploy).catch(() => cp(source, deploy, { recursive: true }));
  }
  return await phase(options, 'pack', {}, async (span) => {
    if (!(await stat(deploy).catch(() => undefined)))
      throw new Failure(
        'spec',
        'bad_request',
        `cannot pack what ${programs.map((argv) => argv.join(' ')).join(', ')} built: it left nothing at $DEPLOY_PKG`,
      );
    const bytes = await pack(deploy);
    span.setAttribute('spoor.archive.size', bytes.length);
    log.line(`packed ${bytes.length} bytes`);
    return bytes;
  });
}

/** What the language's builder image would run. */
async function installers(source: string, environment: Environment): Promise<[string, ...string[]][]> {
  const has = (name: string) =>
    stat(join(source, name)).then(
      (found) => found.isFile(),
      () => false,
    );
  if (runtimeOf(environment) === 'node')
    return (await has('package.json')) ? [['npm', 'install', '--omit=dev', '--no-audit', '--no-fund']] : [];
  return (await has('requirements.txt'))
    ? [
        // Without compiled files, so that the same source always makes the same archive.
        [
          'python3',
          '-m',
          'pip',
          'install',
          '--no-input',
          '--disable-pip-version-check',
          '--no-compile',
        ].concat(['--requirement', 'requirements.txt', '--target', source]) as [string, ...string[]],
      ]
    : [];
}

/** What of the platform's own environment a build may see: where to find programs and packages, and no secret. */
const PASSED =
  /^(PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|(https?|no|all)_proxy|npm_config_(registry|cache|offline|prefer_offline)|PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|CERT|CACHE_DIR|DEFAULT_TIMEOUT))$/i;

function environmentOf(
  environment: Environment,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env))
    if (value !== undefined && PASSED.test(name)) env[name] = value;
  // Packages are built for the Node that will run them.
  env['PATH'] = `${dirname(process.execPath)}:${env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'}`;
  for (const { name, value } of environment.spec.builder?.env ?? []) env[name] = value;
  return { ...env, ...own };
}

async function phase<T>(
  { tracer, context }: Pick<BuildOptions, 'tracer' | 'context'>,
  name: string,
  attributes: Attributes,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const span = tracer.startSpan(name, { attributes }, context);
  try {
    return await work(span);
  } catch (error) {
    recordFailure(span, error);
    throw error;
  } finally {
    span.end();
  }
}

export function recordFailure(span: Span, error: unknown): void {
  const { message } = error as Error;
  span.recordException(error as Error);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  if (error instanceof Failure) span.setAttribute('error.type', error.reason);
}

/** Removes a build's folder; what it left without permission to enter is entered first. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}
