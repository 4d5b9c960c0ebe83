import { Link, Outlet, useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { useLostAt } from '../api/reach.ts';
import { formatClock } from '../text/time.ts';
import { SchemeButton } from './scheme-button.tsx';

const PAGES = [
  { to: '/', name: 'Home' },
  { to: '/search', name: 'Traces' },
  { to: '/map', name: 'Map' },
  { to: '/topics', name: 'Topics' },
  { to: '/logs', name: 'Logs' },
  { to: '/quality', name: 'Quality' },
] as const;

/** What stands around every page: name, ways, a box for a trace id, the colour scheme. */
export function Shell() {
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to content
      </a>
      <header className="topbar">
        <Link to="/" className="brand" aria-label="Spoor, home">
          <svg viewBox="0 0 16 16" width="18" height="18" aria-hidden="true">
            <rect x="1" y="3" width="9" height="2.4" rx="1.2" className="brand-a" />
            <rect x="4" y="6.8" width="8" height="2.4" rx="1.2" className="brand-b" />
            <rect x="7" y="10.6" width="8" height="2.4" rx="1.2" className="brand-c" />
          </svg>
          Spoor
        </Link>
        <nav aria-label="Pages">
          {PAGES.map(({ to, name }) => (
            <Link
              key={to}
              to={to}
              className="nav"
              activeOptions={{ exact: to === '/', includeSearch: false }}
            >
              {name}
            </Link>
          ))}
        </nav>
        <TraceBox />
        <SchemeButton />
      </header>
      <main id="main">
        <Lost />
        <Outlet />
      </main>
    </div>
  );
}

/** Above what was there before, which is old from now on. */
function Lost() {
  const lostAtMs = useLostAt();
  return (
    <div role="status">
      {lostAtMs !== undefined && (
        <p className="lost">
          <strong>The backend cannot be reached</strong> since {formatClock(lostAtMs).slice(0, 8)}. Nothing
          here is newer; the page goes on asking.
        </p>
      )}
    </div>
  );
}

function TraceBox() {
  const [id, setId] = useState('');
  const navigate = useNavigate();
  const open = (event: FormEvent) => {
    event.preventDefault();
    if (id.trim() === '') return;
    void navigate({ to: '/trace/$traceId', params: { traceId: id.trim() } });
    setId('');
  };
  return (
    <form className="tracebox" role="search" onSubmit={open}>
      <input
        className="mono"
        aria-label="Open a trace by its id"
        placeholder="Trace id…"
        spellCheck={false}
        autoComplete="off"
        value={id}
        onChange={(event) => setId(event.currentTarget.value)}
      />
    </form>
  );
}
