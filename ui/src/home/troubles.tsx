import { useState } from 'react';
import { TopicTroubleRow, TroubleRow } from './trouble-row.tsx';
import type { TopicTrouble } from './topic-trouble.ts';
import type { Trouble } from './trouble.ts';

const MOST_VERDICTS = 3;
/** More at once is a wall: the worst come first, and the rest is a click away. */
const FIRST = 6;

/** What is wrong, a line each: functions, then records. */
export function Troubles(props: {
  readonly troubles: readonly Trouble[];
  readonly topicTroubles: readonly TopicTrouble[];
  readonly lookbackMs: number;
}) {
  const { troubles, topicTroubles, lookbackMs } = props;
  const [isAll, setAll] = useState(false);
  const rows = [
    ...troubles.map((trouble, i) => (
      <TroubleRow
        key={`${trouble.functionName} ${trouble.kind}`}
        trouble={trouble}
        lookbackMs={lookbackMs}
        hasVerdict={i < MOST_VERDICTS}
      />
    )),
    ...topicTroubles.map((trouble) => (
      <TopicTroubleRow
        key={`${trouble.topic} ${trouble.kind} ${trouble.group}`}
        trouble={trouble}
        lookbackMs={lookbackMs}
      />
    )),
  ];
  // One more row takes no more room than the words that hide it.
  const isCut = !isAll && rows.length > FIRST + 1;
  return (
    <>
      <ul className="troubles">{isCut ? rows.slice(0, FIRST) : rows}</ul>
      {isCut && (
        <button type="button" className="linkish trouble-more" onClick={() => setAll(true)}>
          and {rows.length - FIRST} more
        </button>
      )}
    </>
  );
}
