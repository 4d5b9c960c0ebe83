import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { TRACE_SEARCH, type TraceSearch } from './trace/trace-search.ts';
import { LOGS_SEARCH, type LogsSearch } from './logs/logs-search.ts';
import { TOPICS_SEARCH, type TopicsSearch } from './topics/topics-search.ts';
import { HomePage } from './home/home-page.tsx';
import { SearchPage } from './search/search-page.tsx';
import { NoSuchPage } from './shell/no-such-page.tsx';
import { PageError } from './shell/notice.tsx';
import { readLookback } from './shell/lookback.tsx';
import { Shell } from './shell/shell.tsx';

const rootRoute = createRootRoute({
  component: Shell,
  notFoundComponent: NoSuchPage,
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
  validateSearch: readLookback,
  component: HomePage,
});

const functionRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/functions/$name',
  validateSearch: readLookback,
  component: lazyRouteComponent(() => import('./function-page/function-page.tsx'), 'FunctionPage'),
});

/** …and of a trace: the span that is open and how it is looked at. */
const traceRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/trace/$traceId',
  validateSearch: (raw: Record<string, unknown>): TraceSearch => textsOf(raw, TRACE_SEARCH),
  component: lazyRouteComponent(() => import('./trace/trace-page.tsx'), 'TracePage'),
});

const logsRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/logs',
  validateSearch: (raw: Record<string, unknown>): LogsSearch => textsOf(raw, LOGS_SEARCH),
  component: lazyRouteComponent(() => import('./logs/logs-page.tsx'), 'LogsPage'),
});

const topicsRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/topics',
  validateSearch: (raw: Record<string, unknown>): TopicsSearch => textsOf(raw, TOPICS_SEARCH),
  component: lazyRouteComponent(() => import('./topics/topics-page.tsx'), 'TopicsPage'),
});

const mapRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/map',
  validateSearch: (raw: Record<string, unknown>): { last?: string; at?: string } =>
    textsOf(raw, ['last', 'at']),
  component: lazyRouteComponent(() => import('./map/map-page.tsx'), 'MapPage'),
});

const qualityRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/quality',
  validateSearch: readLookback,
  component: lazyRouteComponent(() => import('./quality/quality-page.tsx'), 'QualityPage'),
});

const fileRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/file',
  validateSearch: (raw: Record<string, unknown>): TraceSearch & { trace?: string } =>
    textsOf(raw, [...TRACE_SEARCH, 'trace']),
  component: lazyRouteComponent(() => import('./trace/file-page.tsx'), 'FilePage'),
});

const flowRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/flow/$traceId',
  component: lazyRouteComponent(() => import('./flow/flow-page.tsx'), 'FlowPage'),
});

const compareRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/compare',
  validateSearch: (raw: Record<string, unknown>): { a?: string; b?: string } => textsOf(raw, ['a', 'b']),
  component: lazyRouteComponent(() => import('./compare/compare-page.tsx'), 'ComparePage'),
});

export const router = createRouter({
  routeTree: rootRoute.addChildren([
    homeRoute,
    functionRoute,
    searchRoute,
    traceRoute,
    fileRoute,
    flowRoute,
    compareRoute,
    logsRoute,
    topicsRoute,
    mapRoute,
    qualityRoute,
  ]),
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

/** The values that are text, of the keys that a page knows. */
function textsOf<Key extends string>(
  raw: Record<string, unknown>,
  keys: readonly Key[],
): { [K in Key]?: string } {
  const texts: { [K in Key]?: string } = {};
  for (const key of keys) {
    const value = raw[key];
    if (typeof value === 'string' && value !== '') texts[key] = value;
  }
  return texts;
}

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
