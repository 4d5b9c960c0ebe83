/** What a link to a trace may carry. */
export interface TraceSearch {
  /** The span that is open. */
  readonly span?: string;
  readonly view?: string;
  /** `caller` or `end-to-end`: the critical path is drawn, in this reading. */
  readonly path?: string;
  /** Text that is looked for. */
  readonly q?: string;
  /** Services that are hidden, joined with commas. */
  readonly hide?: string;
  /** `long`: gaps are drawn as long as they are. */
  readonly gaps?: string;
}

export const TRACE_SEARCH = ['span', 'view', 'path', 'q', 'hide', 'gaps'] as const;

export const VIEWS = ['waterfall', 'spans', 'statistics', 'logs'] as const;
export type View = (typeof VIEWS)[number];

export function viewOf(search: TraceSearch): View {
  return VIEWS.find((view) => view === search.view) ?? 'waterfall';
}
