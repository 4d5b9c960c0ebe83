import type { Metadata, Reference } from '../../platform/spec/resources.ts';

/** Metadata of a resource that the registry has not seen; it gives what is empty here. */
export function newMetadata({ name, namespace }: Reference): Metadata {
  return {
    name,
    namespace,
    uid: '',
    generation: 0,
    resourceVersion: '',
    creationTimestamp: '',
    labels: {},
    annotations: {},
  };
}
