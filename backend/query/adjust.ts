import { isDeepStrictEqual } from 'node:util';
import { buildTree, type TreeNode } from '../diagnosis/tree.ts';
import {
  SPAN_KIND,
  type Attributes,
  type AttributeValue,
  type SpanData,
} from '../../function/span/span-data.ts';
import { formatGoDuration } from './go-duration.ts';

export interface AdjustedSpan {
  readonly span: SpanData;
  /** What a reader of the span should know; each change made to it is among them. */
  readonly warnings: readonly string[];
}

export interface AdjustOptions {
  /** Largest correction of a clock, ns. 0, the default as in Jaeger, corrects nothing and only warns. */
  readonly maxClockSkewNano?: bigint;
}

/**
 * Makes the spans of one trace fit to be shown, in Jaeger's order (jaeger …/adjuster/standard.go). `raw=true` skips all of it.
 *
 * One difference: a consumer is never moved into its producer. What lies between them is the time in the queue, the very thing
 * one looks for, and no sign that two clocks disagree.
 */
export function adjust(spans: readonly SpanData[], options: AdjustOptions = {}): AdjustedSpan[] {
  const drafts = uniqueIds(dropDuplicates(spans)).map(toDraft);
  for (const draft of drafts) {
    draft.span = {
      ...draft.span,
      attributes: dottedIp(sortKeys(draft.span.attributes)),
      events: draft.span.events
        .map((event) => ({ ...event, attributes: sortKeys(event.attributes) }))
        .sort((a, b) => (a.timeUnixNano < b.timeUnixNano ? -1 : a.timeUnixNano > b.timeUnixNano ? 1 : 0)),
      links: draft.span.links.filter((link) => !/^0*$/.test(link.traceId)),
    };
    moveLibraryAttributes(draft);
  }
  correctClocks(drafts, options.maxClockSkewNano ?? 0n);
  return drafts.sort((a, b) => compareBigInt(a.span.startTimeUnixNano, b.span.startTimeUnixNano));
}

/** As the store gave them, in order of time. */
export function unadjusted(spans: readonly SpanData[]): AdjustedSpan[] {
  return spans
    .map((span) => ({ span, warnings: [] }))
    .sort((a, b) => compareBigInt(a.span.startTimeUnixNano, b.span.startTimeUnixNano));
}

interface Draft {
  span: SpanData;
  readonly warnings: string[];
}

function toDraft(span: SpanData): Draft {
  return { span, warnings: [] };
}

/** Only spans that are the same in everything: two that differ and share an id are both worth seeing. */
function dropDuplicates(spans: readonly SpanData[]): SpanData[] {
  const byId = new Map<string, SpanData[]>();
  return spans.filter((span) => {
    const same = byId.get(span.spanId);
    if (!same) {
      byId.set(span.spanId, [span]);
      return true;
    }
    if (same.some((other) => isDeepStrictEqual(other, span))) return false;
    same.push(span);
    return true;
  });
}

/**
 * Zipkin lets a server span share the id of the client span that called it. The server gets an id of its own, becomes a child of
 * the client, and what was below the shared id is below the server.
 */
function uniqueIds(spans: readonly SpanData[]): SpanData[] {
  const clients = new Set<string>();
  const servers = new Set<string>();
  for (const span of spans) {
    if (span.kind === SPAN_KIND.client) clients.add(span.spanId);
    if (span.kind === SPAN_KIND.server) servers.add(span.spanId);
  }
  const shared = [...servers].filter((id) => clients.has(id));
  if (shared.length === 0) return [...spans];

  const used = new Set(spans.map((span) => span.spanId));
  let next = 0n;
  const serverId = new Map<string, string>();
  for (const id of shared) {
    let fresh: string;
    do fresh = (++next).toString(16).padStart(16, '0');
    while (used.has(fresh));
    serverId.set(id, fresh);
  }
  return spans.map((span) => {
    const own = span.kind === SPAN_KIND.server ? serverId.get(span.spanId) : undefined;
    if (own) return { ...span, spanId: own, parentSpanId: span.spanId };
    const parent = serverId.get(span.parentSpanId);
    return parent ? { ...span, parentSpanId: parent } : span;
  });
}

function sortKeys(attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** `ip` and `peer.ipv4` as the number that old Zipkin and Jaeger clients sent. */
function dottedIp(attributes: Attributes): Attributes {
  if (typeof attributes['ip'] !== 'bigint' && typeof attributes['peer.ipv4'] !== 'bigint') return attributes;
  const dotted = (value: AttributeValue): AttributeValue => {
    if (typeof value !== 'bigint') return value;
    const ip = Number(BigInt.asUintN(32, value));
    return [24, 16, 8, 0].map((shift) => (ip >>> shift) & 255).join('.');
  };
  return Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [
      key,
      key === 'ip' || key === 'peer.ipv4' ? dotted(value) : value,
    ]),
  );
}

const LIBRARY_KEYS = [
  'telemetry.sdk.language',
  'telemetry.sdk.name',
  'telemetry.sdk.version',
  'telemetry.distro.name',
  'telemetry.distro.version',
];

/** These describe the process, not the span. */
function moveLibraryAttributes(draft: Draft): void {
  const present = LIBRARY_KEYS.filter((key) => Object.hasOwn(draft.span.attributes, key));
  if (present.length === 0) return;
  const attributes: Record<string, AttributeValue> = { ...draft.span.attributes };
  const resource: Record<string, AttributeValue> = { ...draft.span.resource };
  for (const key of present) {
    const value = attributes[key] as AttributeValue;
    if (Object.hasOwn(resource, key) && resource[key] !== value) {
      draft.warnings.push(`conflicting values between Span and Resource for attribute ${key}`);
      continue;
    }
    resource[key] = value;
    delete attributes[key];
  }
  draft.span = { ...draft.span, attributes, resource };
}

/**
 * Shifts what another host's clock put outside its parent, the whole subtree of that host with it:
 *
 *     parent   |-----------|            latency = (parent − child) / 2
 *     child  |----|            becomes
 *     child        |----|               start = parent.start + latency
 *
 * A child longer than its parent outlived it, so only its start is moved up to the parent's. When neither span says which host it
 * ran on, a child that merely ends late is taken for work that went on, and only one that starts early for a clock that is wrong.
 */
function correctClocks(drafts: readonly Draft[], maxNano: bigint): void {
  const byId = new Map<string, Draft>();
  for (const draft of drafts) {
    if (byId.has(draft.span.spanId))
      draft.warnings.push('duplicate span IDs; skipping clock skew adjustment');
    else byId.set(draft.span.spanId, draft);
  }
  const { roots, orphans } = buildTree([...byId.values()].map((draft) => draft.span));
  for (const orphan of orphans)
    byId
      .get(orphan.spanId)
      ?.warnings.push(
        `parent span ID=${orphan.parentSpanId} is not in the trace; skipping clock skew adjustment`,
      );

  const stack: { readonly node: TreeNode; readonly parent: Draft | undefined; readonly delta: bigint }[] =
    roots.map((node) => ({ node, parent: undefined, delta: 0n }));
  for (let at = stack.pop(); at; at = stack.pop()) {
    const draft = byId.get(at.node.span.spanId) as Draft;
    const delta = at.parent === undefined ? 0n : skewOf(draft.span, at.parent.span, at.delta);
    shift(draft, delta, maxNano);
    for (const node of at.node.children) stack.push({ node, parent: draft, delta });
  }
}

/** What to add to the child's times. Children on their parent's host share its correction. */
function skewOf(child: SpanData, parent: SpanData, parentDelta: bigint): bigint {
  const childHost = hostOf(child.resource);
  const parentHost = hostOf(parent.resource);
  const hostKnown = childHost !== '' && parentHost !== '';
  if (hostKnown && childHost === parentHost) return parentDelta;
  if (parent.kind === SPAN_KIND.producer && child.kind === SPAN_KIND.consumer) return 0n;

  const early = parent.startTimeUnixNano - child.startTimeUnixNano;
  const parentDuration = parent.endTimeUnixNano - parent.startTimeUnixNano;
  const childDuration = child.endTimeUnixNano - child.startTimeUnixNano;
  if (childDuration > parentDuration) return early > 0n ? early : 0n;
  const fits = early <= 0n && child.endTimeUnixNano <= parent.endTimeUnixNano;
  if (fits || (!hostKnown && early <= 0n)) return 0n;
  return early + (parentDuration - childDuration) / 2n;
}

function hostOf(resource: Attributes): string {
  const ip = resource['host.ip'];
  const host = resource['host.id'] ?? (Array.isArray(ip) ? ip[0] : ip) ?? resource['host.name'];
  return typeof host === 'string' ? host : '';
}

function shift(draft: Draft, delta: bigint, maxNano: bigint): void {
  if (delta === 0n) return;
  const size = delta < 0n ? -delta : delta;
  if (size > maxNano) {
    draft.warnings.push(
      maxNano === 0n
        ? `clock skew adjustment disabled; not applying calculated delta of ${formatGoDuration(delta)}`
        : `max clock skew adjustment delta of ${formatGoDuration(maxNano)} exceeded; not applying calculated delta of ${formatGoDuration(delta)}`,
    );
    return;
  }
  draft.warnings.push(`This span's timestamps were adjusted by ${formatGoDuration(delta)}`);
  draft.span = {
    ...draft.span,
    startTimeUnixNano: draft.span.startTimeUnixNano + delta,
    endTimeUnixNano: draft.span.endTimeUnixNano + delta,
    events: draft.span.events.map((event) => ({ ...event, timeUnixNano: event.timeUnixNano + delta })),
  };
}

function compareBigInt(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
