import { SPOOR_REASON } from '../../function/span/attributes.ts';
import { SPAN_KIND } from '../../function/span/span-data.ts';
import type { PathSegment } from './critical-path.ts';
import type { FlowNode } from './flow.ts';
import {
  endOf,
  functionOf,
  invokedOf,
  isError,
  isFunctionSpan,
  isInvoke,
  peerOf,
  serviceOf,
  textOf,
  topicOf,
} from './span-facts.ts';

export const STAGES = [
  'queue wait',
  'throttle',
  'wait for capacity',
  'start instance',
  'fetch package',
  'load function',
  'transfer',
  'handler',
  'downstream call',
  'response',
  'retry back-off',
  'unknown',
] as const;
export type Stage = (typeof STAGES)[number];

/** What a stretch of time went into, and who spent it: a function, a service, a topic or a peer; '' when nobody is known. */
export interface StageOf {
  readonly stage: Stage;
  readonly owner: string;
}

const PHASES: ReadonlySet<string> = new Set([
  'wait for capacity',
  'start instance',
  'fetch package',
  'load function',
] satisfies Stage[]);

/** Reasons (server/failure.ts) that mean: there was no room, come again. */
const NO_ROOM: ReadonlySet<string> = new Set(['capacity_exceeded', 'overloaded']);

/**
 * Names the stage of a segment of a path, by the span that it lies in and its neighbours:
 *
 *     send ·········· process ── invoke ── wait | start | fetch | load ── image ── invoke ···· invoke …
 *       queue wait       transfer                each its own        handler  response  retry back-off
 */
export function stageOf(segment: PathSegment): StageOf {
  const { node } = segment;
  if (!node) return UNKNOWN;
  const { span } = node;
  if (segment.startUnixNano >= endOf(span)) return gapAfter(segment, node);

  const phase = phaseOf(node);
  if (phase) return { stage: phase, owner: textOf(span.attributes['faas.name']) || ownerOf(node) };
  if (isFunctionSpan(span)) return { stage: 'handler', owner: functionOf(span) };
  switch (span.kind) {
    case SPAN_KIND.client:
      return isInvoke(span) ? invoking(segment, node) : calling(segment, node);
    case SPAN_KIND.producer:
      return { stage: 'downstream call', owner: topicOf(span) || serviceOf(span) };
    case SPAN_KIND.server:
    case SPAN_KIND.consumer:
      return node.effects.some(isAttempt) || node.shared.length > 0
        ? between(segment, node)
        : { stage: span.kind === SPAN_KIND.server ? 'handler' : 'unknown', owner: serviceOf(span) };
    case SPAN_KIND.internal:
      return node.effects.some(isAttempt) ? between(segment, node) : inside(segment, node);
    default:
      return { stage: 'unknown', owner: serviceOf(span) };
  }
}

export function isPhase(node: FlowNode): boolean {
  return phaseOf(node) !== undefined;
}

/** The platform's own spans of a cold start; a function may call its steps as it likes. */
export function phaseOf(node: FlowNode): Stage | undefined {
  const { span } = node;
  if (span.kind !== SPAN_KIND.internal || !PHASES.has(span.name)) return undefined;
  return 'faas.name' in span.resource ? undefined : (span.name as Stage);
}

/** The function that ran this, or that this is about; else the service. */
export function ownerOf(node: FlowNode): string {
  for (let at: FlowNode | undefined = node; at; at = at.cause) {
    const name = functionOf(at.span) || (isInvoke(at.span) ? invokedOf(at.span) : '');
    if (name !== '') return name;
    if (at.span.kind === SPAN_KIND.consumer) break;
  }
  return serviceOf(node.span);
}

const UNKNOWN: StageOf = { stage: 'unknown', owner: '' };

function isAttempt(node: FlowNode): boolean {
  return isInvoke(node.span);
}

/** Time past the node's own end, for something that it caused. */
function gapAfter({ after }: PathSegment, node: FlowNode): StageOf {
  if (after?.span.kind === SPAN_KIND.consumer)
    return { stage: 'queue wait', owner: topicOf(after.span) || topicOf(node.span) };
  return { stage: 'unknown', owner: serviceOf(node.span) };
}

/** A try to run a function: what is not the function's own nor a cold start's is on its way there, or back. */
function invoking(segment: PathSegment, node: FlowNode): StageOf {
  const owner = invokedOf(node.span);
  if (NO_ROOM.has(textOf(node.span.attributes[SPOOR_REASON]))) return { stage: 'throttle', owner };
  const ran = node.effects.find((effect) => isFunctionSpan(effect.span));
  if (!ran)
    return { stage: isError(node.span) || node.effects.some(isPhase) ? 'transfer' : 'unknown', owner };
  return { stage: segment.endUnixNano <= ran.span.startTimeUnixNano ? 'transfer' : 'response', owner };
}

/** A call over the network. Where the other side is traced, this is only the way there and back. */
function calling(segment: PathSegment, node: FlowNode): StageOf {
  const server = node.effects.find((effect) => effect.span.kind === SPAN_KIND.server);
  if (!server) return { stage: 'downstream call', owner: peerOf(node.span) || node.span.name };
  const owner = serviceOf(server.span);
  return { stage: segment.endUnixNano <= server.span.startTimeUnixNano ? 'transfer' : 'response', owner };
}

/** The router or a trigger around its tries. */
function between({ before, after, endUnixNano }: PathSegment, node: FlowNode): StageOf {
  const tries = [...node.effects.filter(isAttempt), ...node.shared].sort((a, b) =>
    a.span.startTimeUnixNano < b.span.startTimeUnixNano ? -1 : 1,
  );
  const owner = invokedOf((tries[0] as FlowNode).span);
  const next = after && isAttempt(after) ? after : undefined;
  const last = before && isAttempt(before) ? before : undefined;
  if (next && last)
    return {
      stage: NO_ROOM.has(textOf(last.span.attributes[SPOOR_REASON])) ? 'throttle' : 'retry back-off',
      owner,
    };
  const first = (tries[0] as FlowNode).span.startTimeUnixNano;
  return { stage: endUnixNano <= first || next ? 'transfer' : 'response', owner };
}

/** A step inside a function is the function's own time; inside the platform it is the road. */
function inside(segment: PathSegment, node: FlowNode): StageOf {
  const name = functionOf(node.span);
  if (name !== '') return { stage: 'handler', owner: name };
  const entry = entryOf(node);
  if (entry)
    return entry.effects.some(isAttempt)
      ? { stage: 'transfer', owner: ownerOf(entry) }
      : { stage: 'handler', owner: serviceOf(entry.span) };
  return { stage: segment.node?.cause ? 'unknown' : 'handler', owner: serviceOf(node.span) };
}

/** Found once for each node: in a chain of 50,000 steps, walking up from every one would take a minute. */
const entries = new WeakMap<FlowNode, { readonly entry: FlowNode | undefined }>();

/** The SERVER or CONSUMER span of the same service through which this work came in. */
function entryOf(node: FlowNode): FlowNode | undefined {
  const path: FlowNode[] = [];
  let found: FlowNode | undefined;
  for (let at: FlowNode | undefined = node; at; at = at.cause) {
    const known = entries.get(at);
    if (known) {
      found = known.entry;
      break;
    }
    path.push(at);
    if (at.span.kind === SPAN_KIND.server || at.span.kind === SPAN_KIND.consumer) {
      found = at;
      break;
    }
    if (at.cause && serviceOf(at.cause.span) !== serviceOf(at.span)) break;
  }
  for (const each of path) entries.set(each, { entry: found });
  return found;
}
