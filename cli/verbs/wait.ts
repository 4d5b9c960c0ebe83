import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { Failure } from '../../server/failure.ts';
import type { ControlClient } from '../../platform/spec/client.ts';
import { describe } from '../../platform/spec/kinds.ts';
import type {
  HTTPTrigger,
  Kind,
  MessageQueueTrigger,
  Reference,
  Resource,
  TimeTrigger,
} from '../../platform/spec/resources.ts';
import { routeCondition } from '../../platform/spec/route-conflict.ts';
import { functionNames } from '../../platform/spec/validate.ts';
import type { CliContext } from '../context.ts';
import { mustBeThere } from './remove.ts';
import { durationOption, namespaced, verb, wrongUsage, type NameFlags } from './flags.ts';

const POLL_MS = 200;

/** `wait --for condition=Ready` of one kind. */
export function registerWait(group: Command, context: CliContext, kind: Kind, condition = 'Ready'): void {
  namespaced(
    verb(
      group,
      'wait',
      'wait until a condition holds',
      `spoor ${group.alias() || group.name()} wait --name hello --for condition=${condition} --timeout 2m`,
    ),
  )
    .requiredOption('--name <name>', 'name of the resource')
    .option(
      '--for <condition>',
      `condition=NAME or condition=NAME=False: ${namesOf(kind).join(', ')}`,
      `condition=${condition}`,
    )
    .addOption(durationOption('--timeout <duration>', 'how long at most', 60_000))
    .action(async (flags: NameFlags & { for: string; timeout: number }) => {
      const wanted = parseCondition(kind, flags.for);
      await untilCondition(await context.client(), kind, flags, wanted, flags.timeout);
      context.out.print(`${describe(kind, flags)} condition met`);
    });
}

export interface WantedCondition {
  readonly name: string;
  readonly value: boolean;
}

/**
 * Polls until the condition has the value; a state that it cannot come from any more is a Failure at once, and so is a resource
 * that is not there: who misspells a name need not wait to hear of it (kubectl wait does the same).
 */
export async function untilCondition(
  client: ControlClient,
  kind: Kind,
  reference: Reference,
  wanted: WantedCondition,
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const resource = await mustBeThere(client, kind, reference);
    const state = await stateOf(client, resource, wanted.name);
    if (state.value === wanted.value) return;
    if (wanted.value && state.isFinal === true)
      throw new Failure('cli', 'internal', `cannot wait for ${describe(kind, reference)}: ${state.why}`);
    if (Date.now() >= deadline)
      throw new Failure(
        'cli',
        'unavailable',
        `cannot wait for ${describe(kind, reference)} any longer: ${wanted.name} is not ${String(wanted.value)} after ${timeoutMs / 1000} s: ${state.why}`,
      );
    await sleep(POLL_MS);
  }
}

interface State {
  readonly value: boolean;
  readonly why: string;
  /** It will not become true by itself. */
  readonly isFinal?: boolean;
}

/** Each kind's conditions; the names are Fission's. */
const CONDITIONS: Readonly<Record<Kind, readonly string[]>> = {
  Environment: ['Ready', 'PoolReady'],
  Package: ['Ready', 'BuildSucceeded'],
  Function: ['Ready', 'EnvironmentReady', 'PackageReady'],
  HTTPTrigger: ['Ready', 'RouteAdmitted', 'FunctionReady'],
  MessageQueueTrigger: ['Ready', 'FunctionReady'],
  TimeTrigger: ['Ready', 'FunctionReady'],
  CanaryConfig: ['Ready', 'Succeeded'],
};

function namesOf(kind: Kind): readonly string[] {
  return CONDITIONS[kind];
}

function parseCondition(kind: Kind, text: string): WantedCondition {
  const [, name = '', value = 'True'] = /^condition=([^=]+)(?:=(true|false))?$/i.exec(text) ?? [];
  const known = namesOf(kind).find((one) => one.toLowerCase() === name.toLowerCase());
  if (known === undefined)
    throw wrongUsage(
      `cannot wait for ${JSON.stringify(text)}: it wants condition=NAME or condition=NAME=False, where NAME is ${namesOf(kind).join(', ')}`,
    );
  return { name: known, value: value.toLowerCase() === 'true' };
}

async function stateOf(client: ControlClient, resource: Resource, condition: string): Promise<State> {
  const { namespace } = resource.metadata;
  switch (resource.kind) {
    case 'Environment': {
      if (condition === 'Ready') return yes;
      const pool = (await client.instances()).filter(
        ({ environment, state }) =>
          environment.name === resource.metadata.name &&
          environment.namespace === namespace &&
          state === 'warm',
      );
      const wanted = Math.min(1, resource.spec.poolsize);
      return {
        value: pool.length >= wanted,
        why: `${pool.length} of ${resource.spec.poolsize} instances are warm`,
      };
    }
    case 'Package': {
      const { buildstatus, buildlog } = resource.status;
      if (buildstatus === 'failed')
        return { value: false, why: `its build failed:\n${buildlog}`, isFinal: true };
      return {
        value: buildstatus === 'succeeded' || buildstatus === 'none',
        why: `its build is ${buildstatus}`,
      };
    }
    case 'Function': {
      const { environment, package: pkg } = resource.spec;
      const needed: [string, Kind, Reference][] = [
        ['EnvironmentReady', 'Environment', environment],
        ['PackageReady', 'Package', pkg.packageref],
      ];
      return await all(
        client,
        needed.filter(([name]) => condition === 'Ready' || condition === name),
      );
    }
    case 'HTTPTrigger': {
      if (condition !== 'FunctionReady') {
        const route = routeCondition(resource, await client.list('HTTPTrigger'));
        if (route.status === 'False')
          return { value: false, why: `${route.reason}: it is ${route.message}`, isFinal: true };
        if (condition === 'RouteAdmitted') return yes;
      }
      return await functionsReady(client, resource);
    }
    case 'MessageQueueTrigger':
    case 'TimeTrigger':
      return await functionsReady(client, resource);
    case 'CanaryConfig': {
      const { status } = resource.status;
      if (condition === 'Ready') return yes;
      const isFinal = status === 'failed' || status === 'aborted';
      return { value: status === 'succeeded', why: `its status is ${status}`, isFinal };
    }
  }
}

async function functionsReady(
  client: ControlClient,
  { spec, metadata: { namespace } }: HTTPTrigger | MessageQueueTrigger | TimeTrigger,
): Promise<State> {
  const names = functionNames(spec.functionref);
  return await all(
    client,
    names.map((name) => ['', 'Function', { name, namespace }]),
  );
}

const yes: State = { value: true, why: 'it is there' };

function missing(kind: Kind, reference: Reference): State {
  return { value: false, why: `${describe(kind, reference)} is not there` };
}

async function all(
  client: ControlClient,
  needed: readonly (readonly [string, Kind, Reference])[],
): Promise<State> {
  for (const [, kind, reference] of needed) {
    const found = await client.get(kind, reference);
    if (!found) return missing(kind, reference);
    const state = await stateOf(client, found, 'Ready');
    if (!state.value) return { ...state, why: `${describe(kind, reference)}: ${state.why}` };
  }
  return yes;
}
