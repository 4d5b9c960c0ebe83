import { Button, PasswordInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import { ApiError, keepToken } from '../api/client.ts';

/** In place of what could not be shown: what happened, in the server's words, and what to do. */
export function PageError(props: {
  readonly title: string;
  readonly error?: unknown;
  readonly onRetry?: () => void;
  readonly children?: ReactNode;
}) {
  const { error } = props;
  if (error instanceof ApiError && error.status === 401) return <TokenForm />;
  return (
    <section className="notice" role="alert">
      <h2>{props.title}</h2>
      {error instanceof Error && (
        <p className="mono notice-message">
          {error instanceof ApiError && error.status > 0 ? `${error.status} · ` : ''}
          {error.message}
        </p>
      )}
      {props.children}
      {props.onRetry && (
        <Button size="xs" variant="default" onClick={props.onRetry}>
          Try again
        </Button>
      )}
    </section>
  );
}

function TokenForm() {
  const [token, setToken] = useState('');
  const save = (event: FormEvent) => {
    event.preventDefault();
    keepToken(token.trim());
    location.reload();
  };
  return (
    <form className="notice" onSubmit={save}>
      <h2>This backend asks for a token</h2>
      <p>It is the one the backend was started with. This tab keeps it until it is closed.</p>
      <PasswordInput
        label="Token"
        size="xs"
        value={token}
        onChange={(event) => setToken(event.currentTarget.value)}
      />
      <Button size="xs" type="submit" mt="sm" disabled={token.trim() === ''}>
        Open
      </Button>
    </form>
  );
}
