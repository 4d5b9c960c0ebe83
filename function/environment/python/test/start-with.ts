import { EnvironmentProcess, type StartOptions } from '../../conformance/environment-process.ts';
import { pythonProgram } from '../program.ts';

/** A Python environment specialized with a module's text. */
export async function startWith(source: string, options?: StartOptions): Promise<EnvironmentProcess> {
  const { command, args } = await pythonProgram();
  const environment = await EnvironmentProcess.start({ program: command, args }, options);
  const specialized = await environment.specialize(environment.write({ 'main.py': source }));
  if (specialized.status !== 200) {
    await environment[Symbol.asyncDispose]();
    throw new Error(`cannot specialize: ${specialized.text}`);
  }
  return environment;
}

/** Its journal once it has ended: then everything it had to say is in it. */
export async function journalOf(
  environment: EnvironmentProcess,
): Promise<ReturnType<EnvironmentProcess['journal']>> {
  environment.child.kill('SIGTERM');
  await environment.ended;
  return environment.journal();
}
