import type {
  Attributes,
  LogData,
  SpanData,
  SpanEvent,
  SpanKind,
  SpanLink,
} from '../../../function/span/span-data.ts';

const MS = 1_000_000n;

/** What is planted in a greeting. */
export type Fault = 'none' | 'slow' | 'error' | 'crash' | 'warm';

/**
 * One greeting as the platform records it: router → invoke greeter → executor phases → greeter → GET → router → validator, then
 * send greetings → process greetings → invoke image per attempt → image → send cards. `seed` makes ids and times; two equal ones
 * make equal traces.
 */
export function greeting(seed: number, startUnixNano: bigint, fault: Fault): SpanData[] {
  const random = mulberry(seed);
  const jitter = (ms: number) => ms * (0.8 + random() * 0.4);
  const make = new TraceMaker(hex(random, 32), startUnixNano, random);
  const cold = fault !== 'warm';
  const slow = fault === 'slow' ? 1_480 : 0;

  const coldMs = cold ? jitter(128) : 0;
  const validatorMs = jitter(9) + slow;
  const greeterStart = 2 + coldMs;
  const greeterMs = validatorMs + jitter(18);
  const total = greeterStart + greeterMs + 2;

  const request = make.span('router', 'POST /greetings', 2, 0, total, undefined, {
    'http.request.method': 'POST',
    'http.route': '/greetings',
    'http.response.status_code': 200n,
    'url.path': '/greetings',
    'url.scheme': 'http',
    'server.address': '127.0.0.1',
    'server.port': 8888n,
    'user_agent.original': 'curl/8.14.1',
    'spoor.request_id': hex(random, 16),
  });
  const invoke = make.span('router', 'invoke greeter', 3, 0.6, total - 1, request, {
    'faas.invoked_name': 'greeter',
    'faas.invoked_provider': 'spoor',
    'spoor.attempt': 1n,
    'faas.coldstart': cold,
  });
  if (cold) {
    make.span('executor', 'start instance', 1, 1, 1 + coldMs * 0.62, invoke, { 'process.pid': 4127n });
    make.span('executor', 'fetch package', 1, 1 + coldMs * 0.62, 1 + coldMs * 0.7, invoke, {});
    make.span('executor', 'load function', 1, 1 + coldMs * 0.7, 1 + coldMs, invoke, {});
  }
  const greeter = make.span('greeter', 'greeter', 2, greeterStart, greeterStart + greeterMs, invoke, {
    'faas.trigger': 'http',
    'faas.coldstart': cold,
    'faas.invocation_id': hex(random, 16),
    'http.request.method': 'POST',
    'http.response.status_code': 200n,
  });
  const getStart = greeterStart + 2;
  const get = make.span('greeter', 'GET', 3, getStart, getStart + validatorMs + 3, greeter, {
    'http.request.method': 'GET',
    'url.full': 'http://127.0.0.1:8888/validate?name=Ada&language=en',
    'server.address': '127.0.0.1',
    'server.port': 8888n,
    'http.response.status_code': 200n,
  });
  const inner = make.span('router', 'GET /validate', 2, getStart + 0.8, getStart + validatorMs + 2, get, {
    'http.route': '/validate',
    'http.response.status_code': 200n,
  });
  const innerInvoke = make.span(
    'router',
    'invoke validator',
    3,
    getStart + 1.1,
    getStart + validatorMs + 1.8,
    inner,
    { 'faas.invoked_name': 'validator', 'spoor.attempt': 1n },
  );
  make.span('validator', 'validator', 2, getStart + 1.5, getStart + 1.5 + validatorMs - 0.4, innerInvoke, {
    'faas.trigger': 'http',
    'faas.coldstart': false,
    'http.response.status_code': 200n,
  });
  const sendStart = getStart + validatorMs + 4;
  const send = make.span('greeter', 'send greetings', 4, sendStart, sendStart + 3.2, greeter, {
    'messaging.system': 'spoor',
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.destination.name': 'greetings',
    'messaging.destination.partition.id': '3',
    'messaging.kafka.offset': 4_182n,
    'messaging.kafka.message.key': 'Ada',
  });

  const waitMs = jitter(46);
  const processStart = sendStart + 3.4 + waitMs;
  const attempts = fault === 'error' || fault === 'crash' ? 2 : 1;
  const imageMs = jitter(64);
  const backOff = 80;
  const attemptStart = (attempt: number) =>
    processStart + 1 + (attempt - 1) * (imageMs * 0.55 + backOff) + (cold ? 92 : 0);
  const imageEnd = attemptStart(attempts) + imageMs;
  const process = make.span(
    'trigger',
    'process greetings',
    5,
    processStart,
    imageEnd + 6,
    send,
    {
      'messaging.system': 'spoor',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'greetings',
      'messaging.destination.partition.id': '3',
      'messaging.kafka.offset': 4_182n,
      'messaging.consumer.group.name': 'greetings-to-image',
      'spoor.queue.wait': waitMs,
      'spoor.trigger.name': 'greetings-to-image',
    },
    { links: [make.link(send, { 'messaging.kafka.offset': 4_182n })] },
  );
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const failing = attempt < attempts;
    const start = attemptStart(attempt);
    const end = start + (failing ? imageMs * 0.55 : imageMs);
    const phases = attempt === 1 && cold ? 90 : 0;
    const invokeImage = make.span(
      'trigger',
      'invoke image',
      3,
      start - phases - 0.5,
      end + 0.6,
      process,
      {
        'faas.invoked_name': 'image',
        'spoor.attempt': BigInt(attempt),
        'spoor.outcome': failing ? 'retry' : 'success',
        'faas.coldstart': phases > 0,
        ...(failing ? { 'error.type': '502', 'spoor.reason': 'instance_died' } : {}),
      },
      failing ? { error: fault === 'crash' ? 'instance died: SIGKILL' : 'function answered 500' } : {},
    );
    if (phases > 0) {
      make.span('executor', 'wait for capacity', 1, start - phases, start - phases + 22, invokeImage, {});
      make.span('executor', 'start instance', 1, start - phases + 22, start - 24, invokeImage, {});
      make.span('executor', 'load function', 1, start - 24, start - 0.2, invokeImage, {});
    }
    const killed = failing && fault === 'crash';
    const image = make.span(
      'image',
      'image',
      2,
      start,
      end,
      invokeImage,
      {
        'faas.trigger': 'pubsub',
        'faas.coldstart': phases > 0,
        ...(killed
          ? {
              'spoor.unfinished': true,
              'spoor.end.reason': 'signal',
              'spoor.end.signal': 'SIGKILL',
              'spoor.end.log': 'drawing card for Ada\nallocating canvas 2400×1600',
            }
          : {}),
      },
      failing
        ? {
            error: killed ? 'killed by SIGKILL before it ended' : 'Error: cannot draw <Ada>',
            events: killed ? [] : [make.exception(end - 1)],
          }
        : {},
    );
    make.span('image', 'layout card', 1, start + 1, start + imageMs * 0.3, image, {
      'card.width': 2_400n,
      'card.language': 'en',
      'card.scale': 1.5,
      'card.fonts': ['Inter', 'Noto Sans'],
    });
    if (!failing) make.span('image', 'render svg', 1, start + imageMs * 0.3, end - 1, image, {});
  }
  make.span('trigger', 'send cards', 4, imageEnd + 2, imageEnd + 5, process, {
    'messaging.system': 'spoor',
    'messaging.operation.name': 'send',
    'messaging.destination.name': 'cards',
    'messaging.destination.partition.id': '0',
    'messaging.kafka.offset': 977n,
  });
  return make.spans;
}

/**
 * The same greetings as another platform records them: what receives a record is the child of what sent it, in one trace, or begins a
 * trace of its own that links to it.
 */
export function inShape(spans: readonly SpanData[], shape: 'parents' | 'links'): SpanData[] {
  const byId = new Map(spans.map((span) => [`${span.traceId}:${span.spanId}`, span]));
  const isReceived = (span: SpanData): boolean => {
    for (let at: SpanData | undefined = span; at; at = byId.get(`${at.traceId}:${at.parentSpanId}`))
      if (at.kind === 5) return true;
    return false;
  };
  return spans.map((span) => {
    if (shape === 'parents') return span.kind === 5 ? { ...span, links: [] } : span;
    if (!isReceived(span)) return span;
    const moved = { ...span, traceId: `f0f0${span.traceId.slice(4)}` };
    return span.kind === 5 ? { ...moved, parentSpanId: '' } : moved;
  });
}

/** The log lines that the functions of a greeting printed. */
export function greetingLogs(spans: readonly SpanData[]): LogData[] {
  return spans
    .filter((span) => span.kind === 2 && 'faas.trigger' in span.attributes)
    .map((span) => ({
      timeUnixNano: span.startTimeUnixNano + MS,
      observedTimeUnixNano: span.startTimeUnixNano + 2n * MS,
      severityNumber: span.status.code === 2 ? 17 : 9,
      severityText: span.status.code === 2 ? 'ERROR' : 'INFO',
      body: `${span.name} got a greeting`,
      traceId: span.traceId,
      spanId: span.spanId,
      attributes: { 'log.iostream': 'stdout' },
      resource: span.resource,
      scope: span.scope,
    }));
}

interface Extra {
  readonly links?: readonly SpanLink[];
  readonly events?: readonly SpanEvent[];
  /** Status message; the span's status becomes error. */
  readonly error?: string;
}

class TraceMaker {
  readonly spans: SpanData[] = [];
  readonly #traceId: string;
  readonly #start: bigint;
  readonly #random: () => number;
  readonly #resources = new Map<string, Attributes>();

  constructor(traceId: string, start: bigint, random: () => number) {
    this.#traceId = traceId;
    this.#start = start;
    this.#random = random;
  }

  /** `fromMs` and `toMs` count from the trace's start. */
  span(
    service: string,
    name: string,
    kind: SpanKind,
    fromMs: number,
    toMs: number,
    parent: SpanData | undefined,
    attributes: Attributes,
    extra: Extra = {},
  ): SpanData {
    const span: SpanData = {
      traceId: this.#traceId,
      spanId: hex(this.#random, 16),
      parentSpanId: parent?.spanId ?? '',
      name,
      kind,
      startTimeUnixNano: this.#at(fromMs),
      endTimeUnixNano: this.#at(toMs),
      status: extra.error ? { code: 2, message: extra.error } : { code: 0, message: '' },
      attributes,
      events: extra.events ?? [],
      links: extra.links ?? [],
      traceState: '',
      flags: 1,
      resource: this.#resource(service),
      scope: { name: 'spoor', version: '0.1.0' },
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
    this.spans.push(span);
    return span;
  }

  link(to: SpanData, attributes: Attributes): SpanLink {
    return {
      traceId: to.traceId,
      spanId: to.spanId,
      traceState: '',
      flags: 1,
      attributes,
      droppedAttributesCount: 0,
    };
  }

  exception(atMs: number): SpanEvent {
    return {
      timeUnixNano: this.#at(atMs),
      name: 'exception',
      attributes: {
        'exception.type': 'Error',
        'exception.message': 'cannot draw <Ada>',
        'exception.stacktrace':
          'Error: cannot draw <Ada>\n    at render (file:///srv/image/card.js:41:11)\n    at module.exports (file:///srv/image/index.js:12:9)\n    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)',
      },
      droppedAttributesCount: 0,
    };
  }

  #at(ms: number): bigint {
    return this.#start + BigInt(Math.round(ms * 1e6));
  }

  #resource(service: string): Attributes {
    let resource = this.#resources.get(service);
    if (!resource) {
      const isFunction = !['router', 'executor', 'trigger'].includes(service);
      resource = {
        'service.name': service,
        ...(isFunction
          ? { 'faas.name': service, 'faas.version': '7', 'faas.instance': `node-${hex(this.#random, 8)}` }
          : { 'service.instance.id': 'platform-1' }),
      };
      this.#resources.set(service, resource);
    }
    return resource;
  }
}

function hex(random: () => number, digits: number): string {
  let text = '';
  while (text.length < digits) text += Math.floor(random() * 16).toString(16);
  return text;
}

/** A small seeded generator (mulberry32), so that a trace is the same each time. */
function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
