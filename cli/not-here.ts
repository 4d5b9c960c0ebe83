import type { CommanderError } from 'commander';

/** What Fission has and this is not: what to do instead (docs/fission.md). */
const INSTEAD: Readonly<Record<string, string>> = {
  alias:
    'a function has one version here; share calls between two functions with `spoor route create --weight`',
  archive:
    'packages hold their archives themselves: `spoor pkg getsrc`, `spoor pkg getdeploy`, `spoor pkg delete --orphan`',
  'gc-versions': 'a function has one version here',
  impact: '`spoor fn list` shows which functions use an environment',
  plugin: 'there are no plugins',
  publish: 'a function has one version here; `spoor topic publish` is for records',
  rollback: 'a function has one version here; `spoor canary create` moves calls step by step, and back',
  'run-container': 'functions are code, not images: `spoor fn create --code`',
  state: 'functions keep no state here',
  support: '`spoor doctor` and `spoor check` say what is wrong; logs are in the data directory, in logs/',
  tenant: 'there is one tenant; namespaces are names only',
  token: 'nothing to sign in to: on loopback no token is wanted, elsewhere it is SPOOR_TOKEN',
  tools: 'functions are not tools of a model here; `spoor mcp` gives a model the traces',
  'update-container': 'functions are code, not images: `spoor fn update --code`',
  versions: 'a function has one version here; `spoor fn getmeta -o wide` shows its generation',
  watch: 'there is no Kubernetes to watch; `spoor topic publish` and `spoor mqt create` carry events',
  workflow: 'there are no workflows; functions call each other, or leave records in topics',
};

/** A line for who types a verb that only Fission has. */
export function notHere(error: CommanderError): string | undefined {
  if (error.code !== 'commander.unknownCommand') return undefined;
  const [, name = ''] = /unknown command '([^']+)'/.exec(error.message) ?? [];
  const instead = INSTEAD[name];
  return instead === undefined ? undefined : `Fission's \`${name}\` is not here: ${instead}`;
}
