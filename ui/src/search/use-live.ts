import { useEffect, useRef, useState } from 'react';
import { readEvents } from '../api/live.ts';
import { useVisible } from '../shell/use-visible.ts';

/** At most one search a second, however fast traces come. */
const LEAST_WAIT_MS = 1_000;
/** Without a stream the search is simply made again this often. */
const POLL_MS = 3_000;

/** Calls `onChange` when traces arrived, while `isOn` and the tab shows; at once when it shows again. Says how it knows. */
export function useLive(isOn: boolean, onChange: () => void): 'off' | 'stream' | 'polling' {
  const [mode, setMode] = useState<'stream' | 'polling'>('stream');
  const isVisible = useVisible();
  const wasHidden = useRef(false);
  useEffect(() => {
    if (!isOn) return;
    if (!isVisible) {
      wasHidden.current = true;
      return;
    }
    if (wasHidden.current) onChange();
    wasHidden.current = false;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let lastAt = 0;
    const changed = () => {
      timer ??= setTimeout(
        () => {
          timer = undefined;
          lastAt = Date.now();
          onChange();
        },
        Math.max(0, lastAt + LEAST_WAIT_MS - Date.now()),
      );
    };
    let poll: ReturnType<typeof setInterval> | undefined;
    const follow = async () => {
      try {
        setMode('stream');
        for await (const event of readEvents('/api/traces/stream', stop.signal)) if (event) changed();
      } catch {
        // What matters is that it is over; polling goes on from here.
      }
      if (stop.signal.aborted) return;
      setMode('polling');
      poll = setInterval(changed, POLL_MS);
    };
    void follow();
    return () => {
      stop.abort();
      clearTimeout(timer);
      clearInterval(poll);
    };
  }, [isOn, isVisible, onChange]);
  return isOn ? mode : 'off';
}
