import type { EventEmitter } from 'node:events';
import { Option, type Command } from 'commander';
import type { Output } from '../output.ts';

/**
 * Fission's other names for its flags, and the flags that mean something in a cluster only: both are taken, so that a script
 * written for Fission runs here as it is (fission/fission: pkg/fission-cli/flag/flag.go). Neither stands in the help.
 */
export function acceptFissionFlags(program: Command, out: Output): void {
  for (const group of program.commands) {
    const verbs = group.commands;
    for (const verb of verbs) {
      for (const [alias, flag] of ALIASES) acceptAlias(verb, alias, flag);
      for (const [flag, why] of [
        ...(IGNORED[`${group.name()} ${verb.name()}`] ?? []),
        ...(verbs.length > 0 && FISSION_GROUPS.has(group.name()) ? EVERYWHERE : []),
      ])
        acceptAndIgnore(verb, flag, why, out);
    }
  }
}

const FISSION_GROUPS: ReadonlySet<string> = new Set([
  'environment',
  'function',
  'package',
  'httptrigger',
  'mqtrigger',
  'timetrigger',
  'spec',
  'canary',
]);

/** Fission's flag, and the one here that it stands for. Taken by each verb that has the latter. */
const ALIASES: readonly (readonly [alias: string, flag: string])[] = [
  ['--pkgname', '--pkg'],
  ['--entry', '--entrypoint'],
  ['--deployarchive', '--deploy'],
  ['--source', '--src'],
  ['--sourcearchive', '--src'],
  ['--ft', '--fntimeout'],
  ['--st', '--specializationtimeout'],
  ['--con', '--concurrency'],
  ['--rpp', '--requestsperpod'],
  ['--yolo', '--onceonly'],
  ['--period', '--graceperiod'],
  ['--id', '--deployid'],
  ['--newfn', '--newfunction'],
  ['--oldfn', '--oldfunction'],
  ['--step', '--increment-step'],
  ['--internal', '--increment-interval'],
  ['--threshold', '--failure-threshold'],
  ['--fnNamespace', '--namespace'],
  ['--envNamespace', '--namespace'],
  ['--pkgNamespace', '--namespace'],
  ['--triggerNamespace', '--namespace'],
  ['--canaryNamespace', '--namespace'],
  ['--forcenamespace', '--force-namespace'],
];

type Ignored = readonly (readonly [flag: string, why: string])[];

const KUBERNETES = 'there is no Kubernetes here';

const EVERYWHERE: Ignored = [
  ['--kube-context <name>', KUBERNETES],
  ['-v, --verbosity <n>', ''],
];

const REQUESTS: Ignored = [
  ['--mincpu <millicores>', 'nothing is reserved for an instance here'],
  ['--minmemory <MiB>', 'nothing is reserved for an instance here'],
];

const FUNCTION: Ignored = [
  ...REQUESTS,
  ['--targetcpu <percent>', 'instances are added as requests come, not by their CPU'],
  ['--provisioned-concurrency <n>', 'the pool of the environment is what is kept warm here'],
  ['--streaming-protocol <name>', 'every protocol streams alike here'],
  ['--insecure', 'a checksum costs nothing here and is always taken'],
];

const CONTENT: Ignored = [['--insecure', 'a checksum costs nothing here and is always taken']];

const INGRESS: Ignored = [
  ['--createingress', KUBERNETES],
  ['--ingressrule <rule>', KUBERNETES],
  ['--ingressannotation <annotation>', KUBERNETES],
  ['--ingresstls <name>', KUBERNETES],
  ['--route-provider <name>', KUBERNETES],
  ['--route-host <host>', KUBERNETES],
  ['--route-path <path>', KUBERNETES],
  ['--route-annotation <annotation>', KUBERNETES],
  ['--route-tls <name>', KUBERNETES],
  ['--gateway <name>', KUBERNETES],
];

const SCALING: Ignored = [
  ['--pollinginterval <seconds>', 'a trigger is told of a record at once here'],
  ['--cooldownperiod <seconds>', 'a consumer costs nothing while it waits here'],
  ['--minreplicacount <n>', 'consumers run in the platform here, not in pods'],
  ['--maxreplicacount <n>', 'consumers run in the platform here, not in pods'],
];

const IMAGE: Ignored = [
  ...REQUESTS,
  ['--externalnetwork', 'functions may always use the network here'],
  ['--imagepullsecret <name>', 'no image is pulled here'],
];

const IGNORED: Readonly<Record<string, Ignored>> = {
  'environment create': IMAGE,
  'environment update': IMAGE,
  'function create': FUNCTION,
  'function update': [...FUNCTION, ['-f, --force', 'a package that others use is left to them here']],
  'function test': [['--dbtype <name>', 'logs are with the traces here']],
  'function log': [
    ['--dbtype <name>', 'logs are with the traces here'],
    ['--all-pods', 'all instances are shown unless --pod names one'],
    ['--pod-namespace <name>', KUBERNETES],
  ],
  'package create': CONTENT,
  'package update': [...CONTENT, ['-f, --force', 'functions that use it are replaced anyhow']],
  'httptrigger create': INGRESS,
  'httptrigger update': INGRESS,
  'mqtrigger create': SCALING,
  'mqtrigger update': SCALING,
  'spec apply': [
    ['--validation <on-off>', 'specs are always checked'],
    ['--force-delete', 'what this folder owns is deleted in whatever namespace it is'],
  ],
  'spec validate': [['--allowconflicts', 'validate does not look for owners']],
};

function acceptAlias(verb: Command, alias: string, flag: string): void {
  const target = verb.options.find((option) => option.long === flag);
  if (!target || verb.options.some((option) => option.long === alias)) return;
  const value = target.required ? ' <value>' : '';
  verb.addOption(new Option(`${alias}${value}`).hideHelp());
  // The target's own parser sees the value, so that the two cannot differ.
  const events = verb as unknown as EventEmitter;
  events.on(`option:${alias.slice(2)}`, (given: string) => events.emit(`option:${target.name()}`, given));
}

function acceptAndIgnore(verb: Command, flag: string, why: string, out: Output): void {
  const option = new Option(flag).hideHelp();
  const isTaken = (name: string | undefined) =>
    name !== undefined && verb.options.some((other) => other.long === name || other.short === name);
  if (isTaken(option.long)) return;
  if (isTaken(option.short)) option.short = undefined;
  verb.addOption(option);
  if (why !== '')
    verb.on(`option:${option.name()}`, () => out.warn(`${option.long} has no effect here: ${why}`));
}
