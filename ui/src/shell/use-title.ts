import { useEffect } from 'react';

/** What the tab is called, so that one of many is found again. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === '' ? 'Spoor' : `${title} · Spoor`;
  }, [title]);
}
