import { type RefObject, useLayoutEffect, useRef, useState } from 'react';

/** How wide an element is inside its padding, px, as it is drawn and whenever that changes. */
export function useRoom<Element extends HTMLElement>(): readonly [RefObject<Element | null>, number] {
  const element = useRef<Element>(null);
  const [room, setRoom] = useState(Infinity);
  useLayoutEffect(() => {
    if (!element.current) return;
    const { current } = element;
    const measure = () => {
      const { paddingLeft, paddingRight } = getComputedStyle(current);
      setRoom(current.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(current);
    return () => observer.disconnect();
  }, []);
  return [element, room];
}
