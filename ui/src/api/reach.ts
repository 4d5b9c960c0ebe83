import { useSyncExternalStore } from 'react';

/** Since when no question has reached the backend, ms since 1970; `undefined` while it answers. */
let lostAtMs: number | undefined;
const listeners = new Set<() => void>();

export function noteReached(isReached: boolean): void {
  const next = isReached ? undefined : (lostAtMs ?? Date.now());
  if (next === lostAtMs) return;
  lostAtMs = next;
  for (const listener of listeners) listener();
}

export function useLostAt(): number | undefined {
  return useSyncExternalStore(subscribe, () => lostAtMs);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
