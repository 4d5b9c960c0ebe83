import { Link, useLocation } from '@tanstack/react-router';
import { PageError } from './notice.tsx';

/** An address that leads nowhere, and where people who have one mostly wanted to go. */
export function NoSuchPage() {
  const { pathname } = useLocation();
  return (
    <PageError title="There is no such page">
      <p>
        Nothing stands at <code>{pathname}</code>. The box above opens a trace by its id.
      </p>
      <p className="notice-ways">
        <Link to="/" className="linkish">
          What is wrong now
        </Link>
        <Link to="/search" className="linkish">
          Find a trace
        </Link>
      </p>
    </PageError>
  );
}
