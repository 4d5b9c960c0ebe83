import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';
import { TRACE_SEARCH, type TraceSearch } from './trace/trace-search.ts';
import { SearchPage } from './search/search-page.tsx';
import { PageError } from './shell/notice.tsx';
import { Shell } from './shell/shell.tsx';

const rootRoute = createRootRoute({
  component: Shell,
  notFoundComponent: () => <PageError title="There is no such page" />,
  errorComponent: ({ error }) => <PageError title="This page failed" error={error} />,
});

/** The URL holds what a link should carry: the filter of a search. */
const searchRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/search',
  validateSearch: (raw: Record<string, unknown>) => raw,
  component: SearchPage,
});

const homeRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/',
  beforeLoad: () => {
    // oxlint-disable-next-line typescript/only-throw-error -- the router's own way
    throw redirect({ to: '/search', replace: true });
  },
});

/** …and of a trace: the span that is open and how it is looked at. */
const traceRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/trace/$traceId',
  validateSearch: (raw: Record<string, unknown>): TraceSearch =>
    Object.fromEntries(
      TRACE_SEARCH.flatMap((key) => (typeof raw[key] === 'string' ? [[key, raw[key]]] : [])),
    ),
  component: lazyRouteComponent(() => import('./trace/trace-page.tsx'), 'TracePage'),
});

const flowRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/flow/$traceId',
  component: lazyRouteComponent(() => import('./flow/flow-page.tsx'), 'FlowPage'),
});

const compareRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/compare',
  validateSearch: (raw: Record<string, unknown>): { a?: string; b?: string } =>
    Object.fromEntries(
      (['a', 'b'] as const).flatMap((key) => (typeof raw[key] === 'string' ? [[key, raw[key]]] : [])),
    ),
  component: lazyRouteComponent(() => import('./compare/compare-page.tsx'), 'ComparePage'),
});

export const router = createRouter({
  routeTree: rootRoute.addChildren([homeRoute, searchRoute, traceRoute, flowRoute, compareRoute]),
  defaultPreload: false,
  // Plain text, not JSON: a span id of digits only must stay a text, and links stay readable.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const params = new URLSearchParams();
    for (const [key, value] of Object.entries(search))
      if (value !== undefined && value !== '') params.set(key, String(value));
    const text = params.toString();
    return text === '' ? '' : `?${text}`;
  },
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
