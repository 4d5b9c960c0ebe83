/** What a link to log lines may carry. */
export interface LogsSearch {
  readonly service?: string;
  readonly text?: string;
  /** The least severity: trace debug info warn error fatal. */
  readonly severity?: string;
  readonly last?: string;
}

export const LOGS_SEARCH = ['service', 'text', 'severity', 'last'] as const;
