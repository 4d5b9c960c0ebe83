import { Command, CommanderError } from 'commander';
import { toFailure, type Failure } from '../server/failure.ts';
import { createCliContext } from './context.ts';
import * as completionVerb from './completion/verb.ts';
import * as doctorVerb from './doctor.ts';
import * as flowVerb from './flow.ts';
import { groupHelp } from './help.ts';
import * as mcpVerb from './mcp/verb.ts';
import { notHere } from './not-here.ts';
import * as partVerbs from './parts/verbs.ts';
import { nearestData } from './settings.ts';
import { namedData } from './server-flags.ts';
import * as traceVerbs from './trace/verbs.ts';
import * as upVerbs from './up-verbs.ts';
import { registerVerbs } from './verbs/register.ts';
import { VERSION } from './version-number.ts';
import * as whyVerb from './why.ts';

/**
 * The one command. Exit codes: 0 done, 1 failed, 2 wrong usage. What takes long to load (the parts themselves) is imported by
 * the verb that needs it, so that `spoor fn list` answers at once.
 */
export async function run(argv: readonly string[]): Promise<void> {
  // `spoor trace list | head`: who reads us has enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  try {
    await createProgram().parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed what was wrong; help and version are not errors.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      const advice = notHere(error);
      if (advice !== undefined) console.error(advice);
      return;
    }
    const failure = toFailure(error, 'cli');
    console.error(`spoor: ${failure.message}`);
    if (failure.reason === 'internal' && process.env['SPOOR_DEBUG'] !== undefined) console.error(error);
    process.exitCode = isWrongUsage(failure) ? 2 : 1;
    // Nothing is waited for that was begun beside it, such as the build of the screens. What was printed goes out first.
    process.stdout.write('', () => process.exit());
  }
}

/** What was typed cannot be meant; the query API checks ids and filters for us. */
function isWrongUsage({ component, reason }: Failure): boolean {
  return reason === 'bad_request' && (component === 'cli' || component === 'query');
}

/** Every verb with its flags: what runs, what the help and the completions are made of, and what tests hold the pages against. */
export function createProgram(): Command {
  const program = new Command('spoor')
    .description(
      'Distributed tracing for functions: run them, follow every request through HTTP and Kafka, see why one failed or was slow.',
    )
    .version(VERSION, '-V, --version')
    .option(
      '--server <url>',
      'internal address of the platform (default: SPOOR_SERVER, else what runs in the data directory)',
    )
    .option('--data <dir>', 'data directory (default: SPOOR_DATA, else ./.spoor, or a running one above)')
    .enablePositionalOptions()
    .showHelpAfterError('(see --help)')
    .exitOverride();

  const context = createCliContext(
    () => ({ ...program.opts<{ server?: string }>(), data: namedData(program) ?? nearestData('.') }),
    {
      drawTrace: async (traceId) => traceVerbs.drawTrace(await context.queryUrl(), traceId, { settle: true }),
      explain: async (traceId) => whyVerb.explainWhenSettled(await context.queryUrl(), traceId),
    },
  );
  upVerbs.register(program);
  registerVerbs(program, context);
  traceVerbs.register(program, context);
  whyVerb.register(program, context);
  flowVerb.register(program, context);
  partVerbs.register(program);
  doctorVerb.register(program, context);
  mcpVerb.register(program, context);
  completionVerb.register(program);
  groupHelp(program);
  return program;
}
