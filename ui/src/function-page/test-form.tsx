import { useMutation } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type FormEvent, useId, useState } from 'react';
import { postJson } from '../api/client.ts';
import type { FunctionAnswerJson, FunctionConfigJson } from '../../../backend/query/shapes.ts';
import { formatDuration } from '../text/duration.ts';
import { readHeaders } from './read-headers.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** One invocation, made from the page: its answer here, its trace a click away or opened at once. */
export function TestForm({ config }: { readonly config: FunctionConfigJson }) {
  const id = useId();
  const navigate = useNavigate();
  const [method, setMethod] = useState<string>('POST');
  const [subpath, setSubpath] = useState('');
  const [headers, setHeaders] = useState('content-type: application/json');
  const [body, setBody] = useState('{}');
  const hasBody = method !== 'GET';
  const read = readHeaders(headers);
  const call = useMutation({
    mutationFn: () =>
      postJson<FunctionAnswerJson>(
        `/api/platform/functions/${encodeURIComponent(config.namespace)}/${encodeURIComponent(config.name)}/call`,
        {
          method,
          subpath,
          headers: 'headers' in read ? read.headers : [],
          body: hasBody ? body : '',
        },
      ),
  });
  const wrong = 'wrongLine' in read ? read.wrongLine : undefined;
  const send = async (opensTrace: boolean) => {
    if (wrong !== undefined) return;
    const answer = await call.mutateAsync().catch(() => undefined);
    if (opensTrace && answer && answer.traceId !== '')
      await navigate({ to: '/trace/$traceId', params: { traceId: answer.traceId } });
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void send(false);
  };
  return (
    <form className="test-form" aria-label={`Test ${config.name}`} onSubmit={submit}>
      <div className="test-line">
        <label className="sr" htmlFor={`${id}-method`}>
          Method
        </label>
        <select
          id={`${id}-method`}
          className="field"
          value={method}
          onChange={(event) => setMethod(event.currentTarget.value)}
        >
          {METHODS.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <span className="mono dim">{config.name}</span>
        <input
          className="field mono test-path"
          aria-label="Path and query below the function"
          placeholder="/path?query"
          spellCheck={false}
          value={subpath}
          onChange={(event) => setSubpath(event.currentTarget.value)}
        />
        <button type="submit" className="button" disabled={call.isPending}>
          {call.isPending ? 'Calling…' : 'Call it'}
        </button>
        <button
          type="button"
          className="button button-main"
          disabled={call.isPending}
          onClick={() => void send(true)}
        >
          Call it and open its trace
        </button>
      </div>
      <div className="test-texts">
        <label>
          <span className="dim">Headers, a line each</span>
          <textarea
            className="field mono"
            rows={3}
            spellCheck={false}
            aria-invalid={wrong !== undefined}
            value={headers}
            onChange={(event) => setHeaders(event.currentTarget.value)}
          />
          {wrong !== undefined && <span className="error-text">{`“${wrong}” is no “name: value”`}</span>}
        </label>
        {hasBody && (
          <label>
            <span className="dim">Body</span>
            <textarea
              className="field mono"
              rows={3}
              spellCheck={false}
              value={body}
              onChange={(event) => setBody(event.currentTarget.value)}
            />
          </label>
        )}
      </div>
      <div role="status">
        {call.isError && <p className="error-text">{call.error.message}</p>}
        {call.data && !call.isPending && <Answer answer={call.data} />}
      </div>
    </form>
  );
}

function Answer({ answer }: { readonly answer: FunctionAnswerJson }) {
  return (
    <div className="test-answer">
      <div className="test-line">
        <b className={answer.status >= 400 ? 'mono error-text' : 'mono'}>{answer.status}</b>
        <span className="dim">after</span>
        <span className="mono">{formatDuration(Number(answer.durationNano))}</span>
        {answer.traceId !== '' && (
          <Link to="/trace/$traceId" params={{ traceId: answer.traceId }} className="linkish">
            Open its trace
          </Link>
        )}
      </div>
      <pre tabIndex={0} aria-label="What it answered">
        {answer.body === '' ? '(no body)' : answer.body}
        {answer.isCut && '\n… cut here'}
      </pre>
    </div>
  );
}
