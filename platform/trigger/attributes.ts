/** Attributes that only triggers write; the others stand in function/span/attributes.ts. */

/** Milliseconds until the next attempt, on the event `retry back-off`. int */
export const SPOOR_RETRY_DELAY = 'spoor.retry.delay';
/** On the event `attempt` of a record in a batch: the span of the invocation it was part of. */
export const SPOOR_INVOKE_TRACE_ID = 'spoor.invoke.trace_id';
export const SPOOR_INVOKE_SPAN_ID = 'spoor.invoke.span_id';
/** When the timer was to fire, ISO 8601. */
export const SPOOR_TIMER_SCHEDULED = 'spoor.timer.scheduled';
