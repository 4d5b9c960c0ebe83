import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { postJson } from '../api/client.ts';
import type { RedriveJson } from '../../../backend/query/shapes.ts';
import { formatCount } from '../text/number.ts';
import type { DeadLetters } from './dead-letters.ts';

/** Sends what an error topic holds back to where it came from. Asks once more before it does: functions will run. */
export function Redrive({ topic, letters }: { readonly topic: string; readonly letters: DeadLetters }) {
  const client = useQueryClient();
  const [chosen, setChosen] = useState(letters.from[0] ?? '');
  const [isAsking, setAsking] = useState(false);
  const redrive = useMutation({
    mutationFn: () =>
      postJson<RedriveJson>(`/api/platform/topics/${encodeURIComponent(topic)}/redrive`, { to: chosen }),
    onSettled: async () => {
      setAsking(false);
      await client.invalidateQueries({ queryKey: ['platform'] });
    },
  });
  const records = `${formatCount(letters.count)} ${letters.count === 1 ? 'record' : 'records'}`;
  return (
    <div className="redrive">
      <p>
        {letters.count === 0 ? (
          <span className="dim">Every dead letter was sent back.</span>
        ) : (
          <>
            <b className="error-text">{records}</b> given up
            <span className="dim"> after {chosen}</span>, to be sent back or left.
          </>
        )}
      </p>
      {letters.count > 0 && !isAsking && (
        <>
          {letters.from.length > 1 && (
            <select
              className="field"
              aria-label="Send back to"
              value={chosen}
              onChange={(event) => setChosen(event.currentTarget.value)}
            >
              {letters.from.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          )}
          <button
            type="button"
            className="button"
            disabled={redrive.isPending}
            onClick={() => setAsking(true)}
          >
            Redrive to {chosen}…
          </button>
        </>
      )}
      {isAsking && (
        <div className="redrive-ask" role="alertdialog" aria-label="Redrive">
          <span>
            Send {records} to <b>{chosen}</b> again? Its functions will run for each.
          </span>
          <button
            type="button"
            className="button button-main"
            autoFocus
            disabled={redrive.isPending}
            onClick={() => redrive.mutate()}
          >
            {redrive.isPending ? 'Sending…' : 'Send them'}
          </button>
          <button type="button" className="button" onClick={() => setAsking(false)}>
            Leave them
          </button>
        </div>
      )}
      <div role="status" className="redrive-told">
        {redrive.isError && <span className="error-text">{redrive.error.message}</span>}
        {redrive.data && (
          <>
            <span>{formatCount(redrive.data.redriven)} sent.</span>
            <Link to="/topics" search={{ topic: chosen }} className="linkish">
              See what becomes of them
            </Link>
          </>
        )}
      </div>
    </div>
  );
}
