import type { FlowJson, SpanRefJson, WhyJson } from '../../../backend/query/shapes.ts';
import { formatDuration } from '../text/duration.ts';
import { type Journey, keyOf, type Step } from './journey.ts';

/** What became of an event, in a sentence, for who has time for one. */
export interface JourneyAnswer {
  readonly tone: 'failed' | 'slow' | 'open' | 'healthy';
  /** "Given up", "Waits", "Failed", "Done": one word or two. */
  readonly outcome: string;
  readonly text: string;
  /** Where to look first. */
  readonly span: SpanRefJson | undefined;
  /** The topic on which what was given up lies, when nothing has sent it back. */
  readonly deadLetterTopic: string;
}

/**
 * Of all that an event set off, what needs a person most: records that were given up, records that wait, what failed, what goes on; only
 * then that it went well, and what that took. `errorTopics`: where triggers send what they give up; `verdict`: what the backend says, once
 * it has, which knows what is usual.
 */
export function answerOf(
  journey: Journey,
  flow: Pick<FlowJson, 'settled' | 'waitingFor' | 'durationNano'>,
  errorTopics: ReadonlySet<string>,
  nowMs: number,
  verdict?: WhyJson['outcome'],
): JourneyAnswer {
  const { steps } = journey;
  const byId = new Map(steps.map((step) => [step.id, step]));
  const effectsOf = Map.groupBy(steps, ({ causeId }) => causeId);
  const isLetter = (step: Step) => step.kind === 'record' && errorTopics.has(step.title);
  const letters = steps.filter((step) => isLetter(step) && !effectsOf.has(step.id));
  const [letter] = letters;
  if (letter) {
    const giver = byId.get(letter.causeId);
    const who = giver ? `${nameOf(giver)} ${sayTries(giver)}; ` : '';
    const where = `its dead letter lies in ${letter.title}${letter.note === '' ? '' : ` ${letter.note}`}`;
    const more = letters.length > 1 ? `, and ${letters.length - 1} more with it` : '';
    return {
      tone: 'failed',
      outcome: 'Given up',
      text: `${who}${where}${more}, and nothing has sent it back.`,
      span: lastTryOf(giver ?? letter),
      deadLetterTopic: letter.title,
    };
  }
  const none = { deadLetterTopic: '' };
  const [waiting] = flow.waitingFor;
  if (waiting) {
    const record = byId.get(keyOf(waiting));
    const sinceNano = (nowMs - Number(BigInt(waiting.sinceUnixNano) / 1_000_000n)) * 1e6;
    const more = flow.waitingFor.length > 1 ? ` ${flow.waitingFor.length - 1} more wait like it.` : '';
    return {
      ...none,
      tone: 'open',
      outcome: 'Waits',
      text: `${waiting.consumerGroup || 'nobody'} has not taken the record ${waiting.topic}${record && record.note !== '' ? ` ${record.note}` : ''} for ${formatDuration(Math.max(0, sinceNano))}.${more}`,
      span: { traceId: waiting.traceId, spanId: waiting.spanId },
    };
  }
  // What was sent back failed before that, and the later try says how it ended.
  const isOver = (step: Step) => (effectsOf.get(step.id) ?? []).some(isLetter);
  const failed = steps.filter((step) => step.isError && !isOver(step));
  // The one that nothing behind it explains: a caller fails because what it called did.
  const deepest = failed.findLast((step) => !(effectsOf.get(step.id) ?? []).some(({ isError }) => isError));
  if (deepest) {
    const more = failed.length > 1 ? ` ${failed.length - 1} more failed with it.` : '';
    return {
      ...none,
      tone: 'failed',
      outcome: 'Failed',
      text: `${nameOf(deepest)} ${sayTries(deepest)}.${more}`,
      span: lastTryOf(deepest),
    };
  }
  const took = formatDuration(Number(flow.durationNano));
  if (!flow.settled)
    return { ...none, tone: 'open', outcome: 'Goes on', text: `${took} so far.`, span: undefined };
  const retried = steps.find(({ isError, tries }) => !isError && tries.some((each) => each.isError));
  const wasSentBack = steps.some((step) => isLetter(step) && effectsOf.has(step.id));
  const how = [
    wasSentBack ? 'after its dead letter was sent back' : '',
    retried ? `after ${sayFailedTries(retried)} of ${retried.title}` : '',
  ].filter((text) => text !== '');
  return {
    ...none,
    ...(verdict === 'failed' || verdict === 'slow' ? VERDICTS[verdict] : DONE),
    text: `in ${took}${how.length > 0 ? `, ${how.join(' and ')}` : ''}.`,
    span: undefined,
  };
}

const DONE = { tone: 'healthy', outcome: 'Done' } as const;
const VERDICTS = {
  failed: { tone: 'failed', outcome: 'Failed' },
  slow: { tone: 'slow', outcome: 'Slow' },
} as const;

function nameOf({ kind, title, note }: Step): string {
  if (kind === 'record') return `sending to ${title}`;
  return kind === 'outcome' ? `the record ${title} ${note}` : title;
}

function sayTries({ tries }: Step): string {
  const failed = tries.filter(({ isError }) => isError);
  const reason = failed.at(-1)?.reason ?? '';
  const times = failed.length > 1 ? `failed ${failed.length} times` : 'failed';
  if (reason === '') return times;
  return failed.length > 1 ? `${times}, the last time: ${cut(reason)}` : `${times}: ${cut(reason)}`;
}

function sayFailedTries({ tries }: Step): string {
  const failed = tries.filter(({ isError }) => isError);
  const reason = failed.at(-1)?.reason ?? '';
  const count = failed.length === 1 ? 'one failed try' : `${failed.length} failed tries`;
  return reason === '' ? count : `${count} (${cut(reason)})`;
}

function lastTryOf(step: Step): SpanRefJson {
  return (step.tries.at(-1) ?? step).span;
}

const MOST_CHARACTERS = 140;

function cut(text: string): string {
  const line = text.split('\n', 1)[0]?.trim() ?? '';
  return line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)}…` : line;
}
