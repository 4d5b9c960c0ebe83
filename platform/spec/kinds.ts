import { keyOf, type Kind, type Reference } from './resources.ts';

/** Each kind with its names: in a URL of the control API, and as Fission's command line says it. */
export const KINDS = {
  Environment: { plural: 'environments', title: 'environment' },
  Package: { plural: 'packages', title: 'package' },
  Function: { plural: 'functions', title: 'function' },
  HTTPTrigger: { plural: 'httptriggers', title: 'trigger' },
  MessageQueueTrigger: { plural: 'messagequeuetriggers', title: 'message queue trigger' },
  TimeTrigger: { plural: 'timetriggers', title: 'time trigger' },
  CanaryConfig: { plural: 'canaryconfigs', title: 'canary config' },
} as const satisfies Record<Kind, { readonly plural: string; readonly title: string }>;

/** In the order in which they lean on each other: what is referred to comes first. */
export const ALL_KINDS = Object.keys(KINDS) as readonly Kind[];

/** Kinds of Fission that need a cluster, or that we do not run yet: accepted in a spec folder and reported. */
export const UNSUPPORTED_KINDS: ReadonlySet<string> = new Set([
  'KubernetesWatchTrigger',
  'Workflow',
  'WorkflowRun',
  'FunctionAlias',
  'FunctionVersion',
  'FissionTenant',
]);

export function kindOfPlural(plural: string): Kind | undefined {
  return ALL_KINDS.find((kind) => KINDS[kind].plural === plural);
}

/** `default` is not said aloud, as in Fission's own messages. */
export function describe(kind: Kind, reference: Reference): string {
  const name = reference.namespace === 'default' ? reference.name : keyOf(reference);
  return `${KINDS[kind].title} '${name}'`;
}
