import { Failure, type Reason } from '../../../server/failure.ts';

/**
 * What the client threw, as a Failure whose message begins with `cannot`. Only what is wrong with the record or the request
 * itself is below 500: all else may be mended on the other side, and whoever holds a record then tries again.
 */
export function kafkaFailure(error: unknown, cannot: string): Failure {
  if (error instanceof Failure) return error;
  const leaves = leavesOf(error);
  const message = [...new Set(leaves.map(wordsOf))].slice(-3).join('; ') || String(error);
  const reason = leaves.map((leaf) => REASON_OF[apiIdOf(leaf) ?? '']).find((found) => found !== undefined);
  return new Failure('queue', reason ?? 'unavailable', `${cannot}: ${message}`, { cause: error });
}

/** True when the topic, as the client knows it, is not there (any more). */
export function isTopicGone(error: unknown): boolean {
  return leavesOf(error).some(
    (leaf) =>
      GONE.has(apiIdOf(leaf) ?? '') || (leaf instanceof Error && leaf.message.startsWith('Unknown topic ')),
  );
}

/** True when a partition's leader is being chosen, as just after its topic was made or a broker died: it is there in a moment. */
export function isBetweenLeaders(error: unknown): boolean {
  return leavesOf(error).some((leaf) => LEADERLESS.has(apiIdOf(leaf) ?? ''));
}

export function hasApiError(error: unknown, id: string): boolean {
  return leavesOf(error).some((leaf) => apiIdOf(leaf) === id);
}

/** The last response among the errors that has one: a response may carry both data and errors. */
export function responseOf(error: unknown): unknown {
  const found = errorsIn(error).map((each) => (each as { response?: unknown }).response);
  return found.findLast((response) => response !== undefined && response !== null);
}

const GONE: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
]);

const LEADERLESS: ReadonlySet<string> = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
]);

const REASON_OF: Readonly<Record<string, Reason>> = {
  MESSAGE_TOO_LARGE: 'body_too_large',
  RECORD_LIST_TOO_LARGE: 'body_too_large',
  INVALID_TOPIC_EXCEPTION: 'bad_request',
  INVALID_TIMESTAMP: 'bad_request',
  INVALID_RECORD: 'bad_request',
  INVALID_PARTITIONS: 'bad_request',
  POLICY_VIOLATION: 'bad_request',
  TOPIC_ALREADY_EXISTS: 'conflict',
  UNKNOWN_TOPIC_OR_PARTITION: 'not_found',
};

/** The error and all below it, causes and aggregated ones, outermost first. */
function errorsIn(error: unknown): unknown[] {
  const found: unknown[] = [];
  const visit = (each: unknown) => {
    if (!(each instanceof Error) || found.includes(each) || found.length > 200) return;
    found.push(each);
    if (each instanceof AggregateError) each.errors.forEach(visit);
    visit(each.cause);
  };
  visit(error);
  return found;
}

function leavesOf(error: unknown): unknown[] {
  return errorsIn(error).filter((each) => !(each instanceof AggregateError));
}

function apiIdOf(error: unknown): string | undefined {
  const id = (error as { apiId?: unknown }).apiId;
  return typeof id === 'string' ? id : undefined;
}

function wordsOf(error: unknown): string {
  const { message, serverErrorMessage } = error as Error & { serverErrorMessage?: string | null };
  const id = apiIdOf(error);
  return `${id ? `${id}: ` : ''}${serverErrorMessage || message}`;
}
