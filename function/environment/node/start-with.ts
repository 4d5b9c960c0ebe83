import type { AttributeValue } from '../../span/span-data.ts';
import { join } from 'node:path';
import {
  type EnvironmentCommand,
  EnvironmentProcess,
  type StartOptions,
} from '../conformance/environment-process.ts';

/** The Node environment as its sources are, for tests. */
export const nodeEnvironment: EnvironmentCommand = {
  program: process.execPath,
  args: [join(import.meta.dirname, 'main.ts')],
};

/** An environment specialized with a CommonJS function. */
export async function startWith(source: string, options?: StartOptions): Promise<EnvironmentProcess> {
  const environment = await EnvironmentProcess.start(nodeEnvironment, options);
  const specialized = await environment.specialize(environment.write({ 'index.cjs': source }));
  if (specialized.status !== 202) {
    await environment[Symbol.asyncDispose]();
    throw new Error(`cannot specialize: ${specialized.text}`);
  }
  return environment;
}

/** An attribute or a log body that must be text; `''` when it is not there. */
export function textOf(value: AttributeValue | undefined): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw new TypeError(`not text: ${typeof value}`);
  return value;
}
