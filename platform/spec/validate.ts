import { describe } from './kinds.ts';
import type { ParsedSpec } from './parse.ts';
import type { Problem } from './problem.ts';
import { keyOf, type FunctionReference, type Kind, type Reference, type Resource } from './resources.ts';

export interface Verdict {
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

/**
 * What Fission's `spec validate` looks for: the same resource twice, references to what is not there, packages that no
 * function uses (a warning). `isKept` says what exists beside the set, so that a spec may build on what is applied already.
 */
export function validateSpec(
  spec: ParsedSpec,
  isKept: (kind: Kind, reference: Reference) => boolean = () => false,
): Verdict {
  const problems: Problem[] = [...spec.problems];
  const warnings: string[] = [...spec.warnings];
  const declared = new Map<string, string>();
  const archives = new Map<string, string>();
  const usedArchives = new Set<string>();
  const usedPackages = new Set<string>();

  for (const { value, file, line } of spec.archives) {
    const first = archives.get(value.name);
    if (first)
      problems.push({
        file,
        line,
        field: 'name',
        message: `"${value.name}" is declared twice, first in ${first}`,
      });
    else archives.set(value.name, placeOf(file, line));
  }
  for (const { value, file, line } of spec.resources) {
    const key = `${value.kind}/${keyOf(value.metadata)}`;
    const first = declared.get(key);
    if (first)
      problems.push({
        file,
        line,
        field: 'metadata.name',
        message: `${describe(value.kind, value.metadata)} is declared twice, first in ${first}`,
      });
    else declared.set(key, placeOf(file, line));
  }
  for (const { value, file, lineOf } of spec.resources) {
    const exists = (kind: Kind, reference: Reference) =>
      declared.has(`${kind}/${keyOf(reference)}`) || isKept(kind, reference);
    for (const [path, kind, reference] of referencesOf(value)) {
      if (kind === 'Package') usedPackages.add(keyOf(reference));
      if (exists(kind, reference)) continue;
      problems.push({
        file,
        line: lineOf(path.split('.')),
        field: path,
        message: `of ${describe(value.kind, value.metadata)} refers to ${describe(kind, reference)}, which is not there`,
      });
    }
    for (const [path, name] of archiveReferencesOf(value)) {
      usedArchives.add(name);
      if (!archives.has(name))
        problems.push({
          file,
          line: lineOf(path.split('.')),
          field: path,
          message: `of ${describe(value.kind, value.metadata)} refers to archive "${name}", which no ArchiveUploadSpec declares`,
        });
    }
  }
  for (const { value, file, line } of spec.resources)
    if (value.kind === 'Package' && !usedPackages.has(keyOf(value.metadata)))
      warnings.push(
        `${placeOf(file, line)}: ${describe('Package', value.metadata)} is not used by any function`,
      );
  for (const [name, place] of archives)
    if (!usedArchives.has(name)) warnings.push(`${place}: archive "${name}" is not used by any package`);
  return { problems, warnings };
}

/** What a resource refers to, and in which field. */
function referencesOf(resource: Resource): [path: string, kind: Kind, reference: Reference][] {
  const { namespace } = resource.metadata;
  switch (resource.kind) {
    case 'Environment':
      return [];
    case 'Package':
      return [['spec.environment', 'Environment', resource.spec.environment]];
    case 'Function':
      return [
        ['spec.environment', 'Environment', resource.spec.environment],
        ['spec.package.packageref', 'Package', resource.spec.package.packageref],
        ...(['onSuccess', 'onFailure'] as const).flatMap((field): [string, Kind, Reference][] => {
          const to = resource.spec.invocation?.[field];
          return to?.type === 'function'
            ? [[`spec.invocation.${field}`, 'Function', { name: to.name, namespace }]]
            : [];
        }),
      ];
    case 'HTTPTrigger':
    case 'MessageQueueTrigger':
    case 'TimeTrigger':
      return functionNames(resource.spec.functionref).map((name) => [
        'spec.functionref',
        'Function',
        { name, namespace },
      ]);
    case 'CanaryConfig':
      return [
        ['spec.trigger', 'HTTPTrigger', { name: resource.spec.trigger, namespace }],
        ['spec.newfunction', 'Function', { name: resource.spec.newfunction, namespace }],
        ['spec.oldfunction', 'Function', { name: resource.spec.oldfunction, namespace }],
      ];
  }
}

function archiveReferencesOf(resource: Resource): [path: string, name: string][] {
  if (resource.kind !== 'Package') return [];
  return (['source', 'deployment'] as const).flatMap((field): [string, string][] => {
    const name = archiveName(resource.spec[field]);
    return name === undefined ? [] : [[`spec.${field}.url`, name]];
  });
}

/** The ArchiveUploadSpec that `archive://NAME` speaks of. */
export function archiveName(
  archive: { readonly type: string; readonly url?: string } | undefined,
): string | undefined {
  return archive?.type === 'url' && archive.url?.startsWith('archive://')
    ? archive.url.slice('archive://'.length)
    : undefined;
}

export function functionNames(reference: FunctionReference): readonly string[] {
  return reference.type === 'name' ? [reference.name] : Object.keys(reference.functionweights);
}

function placeOf(file: string, line: number | undefined): string {
  return [file, line].filter((part) => part !== '' && part !== undefined).join(':');
}
