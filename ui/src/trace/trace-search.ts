/** What a link to a trace may carry. */
export interface TraceSearch {
  /** The span that is open. */
  readonly span?: string;
  /** What of it is shown: `resource`, `logs` or `json`; its details otherwise. */
  readonly tab?: string;
  readonly view?: string;
  /** `caller` or `end-to-end`: the critical path is drawn, in this reading. */
  readonly path?: string;
  /** Text that is looked for. */
  readonly q?: string;
  /** Services that are hidden, joined with commas. */
  readonly hide?: string;
  /** `stage` or `self`: what the colours mean, when it is not the service. */
  readonly color?: string;
  /** What the event log shows, joined with commas; `none` for nothing. */
  readonly events?: string;
  /** `long`: gaps are drawn as long as they are. */
  readonly gaps?: string;
}

export const TRACE_SEARCH = ['span', 'tab', 'view', 'path', 'q', 'hide', 'color', 'events', 'gaps'] as const;

export const TABS = ['details', 'resource', 'logs', 'json'] as const;
export type Tab = (typeof TABS)[number];

export function tabOf(search: TraceSearch): Tab {
  return TABS.find((tab) => tab === search.tab) ?? 'details';
}

export const VIEWS = ['waterfall', 'flame', 'spans', 'statistics', 'events'] as const;
export type View = (typeof VIEWS)[number];

export function viewOf(search: TraceSearch): View {
  // The event log began as one of log lines; links to that still lead here.
  if (search.view === 'logs') return 'events';
  return VIEWS.find((view) => view === search.view) ?? 'waterfall';
}

export const COLORINGS = ['service', 'stage', 'self'] as const;
export type Coloring = (typeof COLORINGS)[number];

export function coloringOf(search: TraceSearch): Coloring {
  return COLORINGS.find((coloring) => coloring === search.color) ?? 'service';
}

export const EVENT_CHOICES = ['logs', 'events', 'spans'] as const;
export type EventChoice = (typeof EVENT_CHOICES)[number];

export function eventsOfSearch(search: TraceSearch): readonly EventChoice[] {
  const chosen = (search.events ?? 'logs,events').split(',');
  return EVENT_CHOICES.filter((choice) => chosen.includes(choice));
}
