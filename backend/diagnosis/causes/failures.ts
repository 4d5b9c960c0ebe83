import {
  ERROR_TYPE,
  EXCEPTION_EVENT,
  EXCEPTION_MESSAGE,
  EXCEPTION_STACKTRACE,
  EXCEPTION_TYPE,
  SPOOR_END_EXIT_CODE,
  SPOOR_END_LOG,
  SPOOR_END_REASON,
  SPOOR_END_SIGNAL,
  SPOOR_OUTCOME,
  SPOOR_REASON,
} from '../../../function/span/attributes.ts';
import { SPAN_KIND } from '../../../function/span/span-data.ts';
import type { FlowNode } from '../flow.ts';
import {
  durationOf,
  functionOf,
  httpStatusOf,
  isError,
  isFunctionSpan,
  isInvoke,
  isUnfinished,
  offsetOf,
  partitionOf,
  peerOf,
  serviceOf,
  textOf,
  topicOf,
} from '../span-facts.ts';
import { ownerOf, phaseOf } from '../stages.ts';
import { amount, inMs, milliseconds, sentence, type Cause, type Evidence, type Sentence } from './cause.ts';

/** Hard evidence: the platform or the process said it. */
const SAID = 0.9;
/** A rule that reads several spans together outranks what one of them says of itself. */
const ABOVE = 0.96;
/** Calls to one place from one handler, failing, from which on it is a storm. */
const STORM_CALLS = 4;
const STORM_TRIES = 5;

/**
 * What failed, from the deepest origin: a span with an error none of whose effects has one. The same origin in several tries is one
 * cause. What it means is read off the origin; what the runs around it say (another version fails always, its neighbours in the
 * topic succeed) is read by the rules after it, which outrank it.
 */
export function failureCauses(evidence: Evidence): Cause[] {
  const origins = originsOf(evidence.run.nodes);
  const groups = Map.groupBy(origins, (node) => `${ownerOf(node)}\0${peerOf(node.span)}\0${meaningOf(node)}`);
  const causes = [...groups.values()].map((nodes) => causeOf(nodes, evidence));
  return causes.flatMap((cause) => [...above(cause, evidence), cause]);
}

/** Errors below which there is no error, oldest first. */
export function originsOf(nodes: readonly FlowNode[]): FlowNode[] {
  const failedBelow = new Set<FlowNode>();
  const origins: FlowNode[] = [];
  for (const node of nodes.toReversed()) {
    const below =
      node.effects.some((effect) => failedBelow.has(effect)) ||
      node.shared.some((effect) => failedBelow.has(effect));
    if (below || isError(node.span)) failedBelow.add(node);
    if (isError(node.span) && !below) origins.push(node);
  }
  // A record that failed in a batch, while the batch's own invocation did well, is an origin itself.
  return origins.sort((a, b) => (a.span.startTimeUnixNano < b.span.startTimeUnixNano ? -1 : 1));
}

function meaningOf(node: FlowNode): string {
  const end = endReasonOf(node);
  if (end !== '') return `end ${end}`;
  const { type } = exceptionOf(node);
  return type || textOf(node.span.attributes[ERROR_TYPE]) || node.span.status.message;
}

/** Why the process ended, said on the span itself or on the one that called it. */
function endReasonOf(node: FlowNode): string {
  const own = textOf(node.span.attributes[SPOOR_END_REASON]);
  if (own !== '') return own;
  return isInvoke(node.span)
    ? textOf(node.span.attributes[SPOOR_REASON]) === 'function_timeout'
      ? 'timeout'
      : ''
    : '';
}

function causeOf(nodes: readonly FlowNode[], evidence: Evidence): Cause {
  const node = nodes[0] as FlowNode;
  const owner = ownerOf(node);
  const end = endReasonOf(node);
  const reason = textOf(node.span.attributes[SPOOR_REASON]);
  const phase = phaseOf(node);
  if (phase && phase !== 'wait for capacity') return notLoaded(nodes, owner, phase);
  if (reason === 'capacity_exceeded' || reason === 'overloaded' || phase) return noRoom(nodes, owner);
  if (reason === 'specialization_failed') return notLoaded(nodes, owner, 'load function');
  if (end !== '' && end !== 'shutdown') return processEnded(nodes, owner, end, evidence);
  if (node.span.kind === SPAN_KIND.client && !isInvoke(node.span)) return callFailed(nodes, owner);
  if (exceptionOf(node).type !== '') return thrown(nodes, owner);
  if (httpStatusOf(node.span) !== undefined || isFunctionSpan(node.span)) return wrongStatus(nodes, owner);
  if (node.span.kind === SPAN_KIND.consumer) return recordFailed(nodes, owner);
  if (functionOf(node.span) !== '') return thrown(nodes, owner);
  return platformError(nodes, owner);
}

function processEnded(nodes: readonly FlowNode[], owner: string, end: string, evidence: Evidence): Cause {
  const node = nodes[0] as FlowNode;
  const { span } = node;
  const signal = textOf(span.attributes[SPOOR_END_SIGNAL]);
  const code = textOf(span.attributes[SPOOR_END_EXIT_CODE]);
  const exception = exceptionOf(node);
  const ran = durationOf(functionAbove(node).span);
  const lines = lastLinesOf(node);
  const common = {
    score: SAID,
    stage: 'handler',
    owner,
    nodes,
  } as const;
  const wasDoing = doingWhat(nodes);
  if (end === 'oom')
    return {
      ...common,
      kind: 'out of memory',
      title: `${owner} ran out of memory`,
      sentences: [
        sentence(
          `The process of ${owner} was ended for memory after ${inMs(ran)} ms: ${span.status.message}.`,
          nodes,
          [milliseconds('ran', ran)],
        ),
        ...wasDoing,
        ...lines,
      ],
      next: [
        `Give ${owner} more memory (resources.limits.memory), or let it hold less at once.`,
        'Look at the size of the input: a large one that was never seen before is the usual reason.',
      ],
    };
  if (end === 'timeout') {
    const sleptOn = openCallOf(nodes);
    return {
      ...common,
      kind: 'timeout',
      title: `${owner} ran past its time-out`,
      sentences: [
        sentence(`${owner} was stopped after ${inMs(ran)} ms${tries(nodes)}: its time was over.`, nodes, [
          milliseconds('ran', ran),
          amount('tries', nodes.length),
        ]),
        ...wasDoing,
        ...(sleptOn
          ? [
              sentence(`It was waiting for ${peerOf(sleptOn.span) || sleptOn.span.name} all that time.`, [
                sleptOn,
              ]),
            ]
          : []),
        ...typicalTime(owner, evidence),
        ...lines,
      ],
      next: [
        sleptOn
          ? `Give the call to ${peerOf(sleptOn.span) || sleptOn.span.name} a time-out of its own that is shorter than the function's.`
          : `Find what ${owner} waits for: the last step it began is named above.`,
        `If ${owner} needs that long, raise its functionTimeout.`,
      ],
    };
  }
  if (end === 'exit' && exception.type !== '') return { ...thrown(nodes, owner), score: SAID };
  if (end === 'exit')
    return {
      ...common,
      kind: 'exited',
      title: `the process of ${owner} exited${code === '' ? '' : ` with code ${code}`}`,
      sentences: [
        sentence(
          `The process of ${owner} ended by itself after ${inMs(ran)} ms: ${span.status.message}.`,
          nodes,
          [milliseconds('ran', ran)],
        ),
        ...wasDoing,
        ...lines,
      ],
      next: [
        `Look for process.exit or sys.exit in ${owner} and what it uses: a function must return, not leave.`,
      ],
    };
  return {
    ...common,
    kind: 'killed',
    title: `the process of ${owner} was killed${signal === '' ? '' : ` by ${signal}`}`,
    sentences: [
      sentence(
        `The process of ${owner} died${signal === '' ? '' : ` by ${signal}`} ${inMs(ran)} ms into the invocation${tries(nodes)}; its open spans were closed at that moment.`,
        nodes,
        [milliseconds('ran', ran), amount('tries', nodes.length)],
      ),
      ...wasDoing,
      ...lines,
    ],
    next: [
      'See who sent the signal: the kernel for memory (dmesg), an operator, or the function itself.',
      `If it is the same step each time, run ${owner} with the same input alone.`,
    ],
  };
}

/** The deepest step that was open when the process died says what it was at. */
function doingWhat(nodes: readonly FlowNode[]): Sentence[] {
  const node = nodes[0] as FlowNode;
  if (isFunctionSpan(node.span) || isInvoke(node.span)) return [];
  const event = node.span.events.findLast((each) => each.name !== EXCEPTION_EVENT);
  return [
    sentence(
      `It was in "${node.span.name}"${event ? `, last seen at "${event.name}"` : ''} (${inMs(durationOf(node.span))} ms).`,
      [node],
      [milliseconds(node.span.name, durationOf(node.span))],
    ),
  ];
}

function openCallOf(nodes: readonly FlowNode[]): FlowNode | undefined {
  return nodes.find(({ span }) => span.kind === SPAN_KIND.client && !isInvoke(span) && isUnfinished(span));
}

function typicalTime(owner: string, { baseline, others }: Evidence): Sentence[] {
  const usual = baseline.typical('handler', owner);
  const examples = others
    .filter((other) => !other.isFailed)
    .flatMap(({ nodes }) => nodes.filter(({ span }) => isFunctionSpan(span) && functionOf(span) === owner))
    .slice(0, 3);
  return baseline.runs === 0 || usual === 0n
    ? []
    : [
        sentence(
          `Otherwise it takes ${inMs(usual)} ms (median of ${baseline.runs} healthy runs).`,
          examples,
          [milliseconds('typical', usual), amount('runs', baseline.runs)],
        ),
      ];
}

function lastLinesOf(node: FlowNode): Sentence[] {
  const log = textOf(functionAbove(node).span.attributes[SPOOR_END_LOG]);
  const last = log.split('\n').findLast((line) => line.trim() !== '' && !/^\s+at /.test(line));
  return last === undefined
    ? []
    : [sentence(`The last line it printed: ${cut(last.trim())}`, [functionAbove(node)])];
}

function notLoaded(nodes: readonly FlowNode[], owner: string, phase: string): Cause {
  const node = nodes[0] as FlowNode;
  const about = textOf(node.span.attributes['faas.name']) || owner;
  return {
    kind: 'bad deploy',
    title: `${about} cannot be started: "${phase}" fails`,
    score: SAID,
    stage: phase === 'fetch package' || phase === 'start instance' ? phase : 'load function',
    owner: about,
    nodes,
    sentences: [
      sentence(`"${phase}" of ${about} failed${tries(nodes)}: ${cut(node.span.status.message)}`, nodes, [
        amount('tries', nodes.length),
      ]),
    ],
    next: [
      phase === 'fetch package'
        ? `Deploy the package of ${about} again: it cannot be fetched.`
        : `Load the package of ${about} by itself: the message names what it did not find or could not run.`,
      `Go back to the version before, until it is mended.`,
    ],
  };
}

function noRoom(nodes: readonly FlowNode[], owner: string): Cause {
  const node = nodes[0] as FlowNode;
  return {
    kind: 'throttled',
    title: `there was no room for ${owner}`,
    score: SAID,
    stage: 'throttle',
    owner,
    nodes,
    sentences: [
      sentence(`${owner} was refused${tries(nodes)}: ${cut(node.span.status.message)}`, nodes, [
        amount('tries', nodes.length),
      ]),
    ],
    next: [`Raise concurrency or requestsPerPod of ${owner}, or let whoever calls it slow down.`],
  };
}

function callFailed(nodes: readonly FlowNode[], owner: string): Cause {
  const node = nodes[0] as FlowNode;
  const peer = peerOf(node.span) || node.span.name;
  const status = httpStatusOf(node.span);
  const type = textOf(node.span.attributes[ERROR_TYPE]);
  if (status !== undefined)
    return {
      kind: 'wrong status',
      title: `${peer} answered ${owner} with ${status}`,
      score: SAID,
      stage: 'downstream call',
      owner: peer,
      nodes,
      sentences: [
        sentence(
          `${owner} called ${peer} (${node.span.name}) and was answered ${status}${tries(nodes)}.`,
          nodes,
          [amount('status', status), amount('calls', nodes.length)],
        ),
      ],
      next: [`Look into ${peer}: its side is not traced. Send it the trace context to see it here.`],
    };
  return {
    kind: 'dead dependency',
    title: `${owner} cannot reach ${peer}`,
    score: SAID,
    stage: 'downstream call',
    owner: peer,
    nodes,
    sentences: [
      sentence(
        `The call of ${owner} to ${peer} failed${tries(nodes)} with ${type || 'an error'} after ${inMs(durationOf(node.span))} ms: ${cut(messageOf(node))}`,
        nodes,
        [milliseconds('call', durationOf(node.span)), amount('calls', nodes.length)],
      ),
    ],
    next: [
      `Is ${peer} up, and is this its address?`,
      `Let ${owner} fail at once, or do without, while it is away.`,
    ],
  };
}

function thrown(nodes: readonly FlowNode[], owner: string): Cause {
  const node = nodes[0] as FlowNode;
  const { type, message, frame } = exceptionOf(node);
  const what = [
    type || textOf(node.span.attributes[ERROR_TYPE]) || 'an error',
    message || node.span.status.message,
  ]
    .filter((part) => part !== '')
    .join(': ');
  const step = isFunctionSpan(node.span) ? '' : ` in "${node.span.name}"`;
  return {
    kind: 'thrown',
    title: `${owner} threw ${cut(what, 120)}`,
    score: SAID,
    stage: 'handler',
    owner,
    nodes,
    sentences: [
      sentence(`${owner} threw${step}${tries(nodes)}: ${cut(what)}`, nodes, [amount('times', nodes.length)]),
      ...(frame === '' ? [] : [sentence(`It comes from ${frame}.`, [node])]),
    ],
    next: [
      frame === '' ? `Look where ${owner} throws it.` : `Open ${frame}.`,
      'Call the function again with the same input: does it fail each time?',
    ],
  };
}

function wrongStatus(nodes: readonly FlowNode[], owner: string): Cause {
  const node = nodes[0] as FlowNode;
  const status = httpStatusOf(node.span) ?? 0;
  return {
    kind: 'wrong status',
    title: `${owner} answered ${status}`,
    score: SAID - 0.02,
    stage: 'handler',
    owner,
    nodes,
    sentences: [
      sentence(`${owner} answered ${status}${tries(nodes)} and threw nothing: it chose to.`, nodes, [
        amount('status', status),
        amount('times', nodes.length),
      ]),
    ],
    next: [`Look where ${owner} answers ${status}; its log lines of this invocation may say why.`],
  };
}

function recordFailed(nodes: readonly FlowNode[], owner: string): Cause {
  const node = nodes[0] as FlowNode;
  return {
    kind: 'wrong status',
    title: `${owner} refused the record`,
    score: SAID - 0.05,
    stage: 'handler',
    owner,
    nodes,
    sentences: [
      sentence(
        `The record ${placeOf(node)} ended as ${textOf(node.span.attributes[SPOOR_OUTCOME]) || 'failed'}: ${cut(node.span.status.message)}`,
        nodes,
      ),
    ],
    next: [`Read the record with \`spoor topic peek ${topicOf(node.span)}\`.`],
  };
}

function platformError(nodes: readonly FlowNode[], owner: string): Cause {
  const node = nodes[0] as FlowNode;
  const reason = textOf(node.span.attributes[SPOOR_REASON]) || textOf(node.span.attributes[ERROR_TYPE]);
  return {
    kind: 'platform error',
    title: `${serviceOf(node.span)} failed${reason === '' ? '' : `: ${reason}`}`,
    score: 0.72,
    stage: 'unknown',
    owner: owner || serviceOf(node.span),
    nodes,
    sentences: [
      sentence(
        `"${node.span.name}" of ${serviceOf(node.span)} failed${tries(nodes)}: ${cut(node.span.status.message || reason)}`,
        nodes,
        [amount('times', nodes.length)],
      ),
    ],
    next: [`Look at the log of ${serviceOf(node.span)} around that time.`],
  };
}

/** What only several spans, or other runs, can say. */
function above(cause: Cause, evidence: Evidence): Cause[] {
  return [storm(cause), badVersion(cause, evidence), badRecords(cause), poison(cause, evidence)].filter(
    (each) => each !== undefined,
  );
}

function storm(cause: Cause): Cause | undefined {
  // Who is told to come again does right to.
  if (cause.kind === 'throttled') return undefined;
  const isCalls =
    cause.kind === 'dead dependency' || (cause.kind === 'wrong status' && cause.stage === 'downstream call');
  const perHandler = Map.groupBy(cause.nodes, (node) =>
    isCalls ? functionAbove(node) : consumerAbove(node),
  );
  const most = Math.max(...[...perHandler.values()].map((nodes) => nodes.length));
  if (most < (isCalls ? STORM_CALLS : STORM_TRIES)) return undefined;
  const nodes = [...perHandler.values()].find((some) => some.length === most) ?? cause.nodes;
  return {
    ...cause,
    kind: 'retry storm',
    title: isCalls
      ? `${ownerOf(nodes[0] as FlowNode)} calls ${cause.owner} again and again`
      : `${cause.owner} is tried again and again`,
    score: ABOVE + 0.02,
    nodes,
    sentences: [
      sentence(
        `${most} tries, each failing in the same way, in one ${isCalls ? 'invocation' : 'delivery'}: what fails is only asked harder.`,
        nodes,
        [amount('tries', most)],
      ),
      ...cause.sentences,
    ],
    next: ['Try less often, with a growing pause and an end.', ...cause.next],
  };
}

/** Of the runs of a version that does well, at least so many do. */
const WELL = 0.8;

/** Every run with this version fails, and runs with another do not. */
function badVersion(cause: Cause, { run, others }: Evidence): Cause | undefined {
  if (!['thrown', 'wrong status', 'exited', 'killed', 'out of memory', 'timeout'].includes(cause.kind))
    return undefined;
  const version = run.versions.get(cause.owner);
  if (version === undefined || version === '') return undefined;
  const ofFunction = others.filter((other) => other.versions.has(cause.owner));
  const isGood = (other: (typeof others)[number]) =>
    !other.nodes.some((node) => isError(node.span) && ownerOf(node) === cause.owner);
  const byVersion = Map.groupBy(ofFunction, (other) => other.versions.get(cause.owner) ?? '');
  const same = byVersion.get(version) ?? [];
  // Bad versions before this one do not make it better.
  const good = [...byVersion].find(
    ([other, runs]) =>
      other !== version && runs.length >= 2 && runs.filter(isGood).length >= runs.length * WELL,
  );
  if (!good || same.some(isGood)) return undefined;
  const [old, before] = good;
  const goodBefore = before.filter(isGood);
  return {
    ...cause,
    kind: 'bad deploy',
    title: `version ${version} of ${cause.owner} fails, version ${old} did not`,
    score: ABOVE,
    sentences: [
      sentence(
        `All ${same.length + 1} runs with version ${version} of ${cause.owner} failed, ${goodBefore.length} of ${before.length} with version ${old} did well.`,
        cause.nodes,
        [amount('failed', same.length + 1), amount('well before', goodBefore.length)],
      ),
      ...cause.sentences,
    ],
    next: [`Go back to version ${old} of ${cause.owner}.`, ...cause.next],
  };
}

/** Its neighbours in the same batch did well. */
function badRecords(cause: Cause): Cause | undefined {
  const record = cause.nodes.find((node) => node.span.kind === SPAN_KIND.consumer && node.shared.length > 0);
  if (!record) return undefined;
  const fine = record.shared.some((invoke) => !isError(invoke.span));
  if (!fine) return undefined;
  return {
    ...cause,
    kind: 'batch with bad records',
    title: `${placeOf(record)} is a bad record in a good batch`,
    score: ABOVE,
    nodes: [record],
    sentences: [
      sentence(
        `${ownerOf(record.shared[0] as FlowNode)} took the batch and refused this record of it: ${cut(record.span.status.message)}`,
        [record, ...record.shared],
      ),
      ...cause.sentences,
    ],
    next: [
      `Read the record with \`spoor topic peek ${topicOf(record.span)}\`: what does it hold that its neighbours do not?`,
    ],
  };
}

/** The same record fails each time it is tried, while other records of the topic go through the same code. */
function poison(cause: Cause, { run, others }: Evidence): Cause | undefined {
  if (cause.kind !== 'thrown' && cause.kind !== 'wrong status') return undefined;
  const consumer = cause.nodes.map(consumerAbove).find((node) => node !== undefined);
  if (!consumer || !isError(consumer.span)) return undefined;
  const tried = consumer.effects.filter((effect) => isInvoke(effect.span));
  if (tried.length < 2 || !tried.every((effect) => isError(effect.span))) return undefined;
  const version = run.versions.get(cause.owner);
  const fine = others.filter(
    (other) =>
      other.versions.get(cause.owner) === version &&
      other.nodes.some(
        (node) =>
          node.span.kind === SPAN_KIND.consumer &&
          topicOf(node.span) === topicOf(consumer.span) &&
          !isError(node.span),
      ),
  );
  if (fine.length < 2) return undefined;
  const outcome = textOf(consumer.span.attributes[SPOOR_OUTCOME]);
  return {
    ...cause,
    kind: 'poison message',
    title: `${placeOf(consumer)} cannot be processed`,
    score: ABOVE,
    nodes: [consumer, ...tried],
    sentences: [
      sentence(
        `All ${tried.length} tries of the record ${placeOf(consumer)} failed in the same way, while ${fine.length} other records of ${topicOf(consumer.span)} went through version ${version} of ${cause.owner}: it is the record.`,
        [consumer, ...tried],
        [amount('tries', tried.length), amount('others well', fine.length)],
      ),
      ...cause.sentences,
      ...(outcome === 'dead_letter'
        ? [sentence('It now stands on the error topic.', [consumer])]
        : outcome === 'dropped'
          ? [sentence('It was dropped: there is no error topic.', [consumer])]
          : []),
    ],
    next: [
      `Read the record with \`spoor topic peek ${topicOf(consumer.span)}\`: what does it hold that others do not?`,
      ...cause.next,
    ],
  };
}

function consumerAbove(node: FlowNode): FlowNode | undefined {
  for (let at: FlowNode | undefined = node; at; at = at.cause)
    if (at.span.kind === SPAN_KIND.consumer) return at;
  return undefined;
}

function functionAbove(node: FlowNode): FlowNode {
  for (let at: FlowNode | undefined = node; at; at = at.cause) if (isFunctionSpan(at.span)) return at;
  return node;
}

function exceptionOf(node: FlowNode): { type: string; message: string; frame: string } {
  const event = node.span.events.findLast((each) => each.name === EXCEPTION_EVENT);
  if (!event) return { type: '', message: '', frame: '' };
  const stack = textOf(event.attributes[EXCEPTION_STACKTRACE]);
  return {
    type: textOf(event.attributes[EXCEPTION_TYPE]) || 'Error',
    message: textOf(event.attributes[EXCEPTION_MESSAGE]),
    frame: topFrame(stack),
  };
}

/** `glyphOf (typography.js:19)`: Node's first frame, or Python's last. */
function topFrame(stack: string): string {
  const node = /^\s+at (?:(?:async )?(\S+) \()?.*?([^/()\s]+):(\d+):\d+\)?$/m.exec(stack);
  if (node) return node[1] === undefined ? `${node[2]}:${node[3]}` : `${node[1]} (${node[2]}:${node[3]})`;
  const python = [...stack.matchAll(/File "(?:.*\/)?([^"/]+)", line (\d+), in (\S+)/g)].at(-1);
  return python ? `${python[3]} (${python[1]}:${python[2]})` : '';
}

function messageOf(node: FlowNode): string {
  return exceptionOf(node).message || node.span.status.message;
}

function placeOf(node: FlowNode): string {
  const topic = topicOf(node.span);
  const offset = offsetOf(node.span);
  return offset === '' ? topic : `${topic}/${partitionOf(node.span)}@${offset}`;
}

function tries(nodes: readonly FlowNode[]): string {
  return nodes.length > 1 ? ` ${nodes.length} times` : '';
}

function cut(text: string, most = 300): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}
