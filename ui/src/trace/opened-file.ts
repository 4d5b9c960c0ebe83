import { useSyncExternalStore } from 'react';

/** The file that is being looked at; this tab keeps it until another is opened, and nothing stores it. */
let opened: File | undefined;
const listeners = new Set<() => void>();

export function keepFile(file: File): void {
  opened = file;
  for (const listener of listeners) listener();
}

export function useOpenedFile(): File | undefined {
  return useSyncExternalStore(subscribe, () => opened);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
