/** Every route of the API: what it takes and what it answers. /api/openapi.json is made from this, and a test holds it against the server. */
export interface Endpoint {
  readonly method: 'GET' | 'POST';
  /** `/api/traces/{traceId}` */
  readonly path: string;
  readonly summary: string;
  readonly params: readonly Param[];
  readonly answer: Answer;
  /** What a POST takes. */
  readonly body?: string;
}

export interface Param {
  readonly name: string;
  readonly type: ParamType;
  readonly description: string;
  readonly isRequired?: true;
  /** May be given several times. */
  readonly isRepeated?: true;
}

/** `{words}`: one of them. Whatever is not `text` refuses what it cannot read with a 400. */
export type ParamType =
  | 'text'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'duration'
  | 'time'
  | 'traceId'
  | 'spanId'
  | 'json'
  | 'query'
  | 'cursor'
  | { readonly words: readonly string[] };

/** `shape`: a type of shapes.ts, or fields that hold one (or lists of it), in Jaeger's envelope or plain. */
export type Answer =
  | { readonly kind: 'shape'; readonly of: Shape; readonly isEnvelope?: true }
  | { readonly kind: 'events'; readonly of: string };

export type Shape = string | { readonly list: Shape } | { readonly fields: Readonly<Record<string, Shape>> };

const text = (name: string, description: string): Param => ({ name, type: 'text', description });
const of =
  (type: ParamType) =>
  (name: string, description: string): Param => ({ name, type, description });
const integer = of('integer');
const required = (param: Param): Param => ({ ...param, isRequired: true });
const repeated = (param: Param): Param => ({ ...param, isRepeated: true });

const WINDOW = [
  integer('endTs', 'End of the window, ms since the epoch; default: now'),
  integer('lookback', 'Length of the window, ms; default: an hour'),
];
const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];
const kind = (name: string) => of({ words: KINDS })(name, 'Span kind');
const limit = (description: string) => integer('limit', description);
const step = integer('step', 'Length of a step, ms; whole minutes');

const V1_SEARCH = [
  text('service', 'Service of the span'),
  text('operation', 'Its name'),
  integer('start', 'From, µs since the epoch; default: two days ago'),
  integer('end', 'To, µs since the epoch; default: now'),
  of('duration')('minDuration', "At least so long, as Go writes it: '200ms'"),
  of('duration')('maxDuration', 'At most so long'),
  limit('Traces, 1 to 1,500; default 100'),
  repeated(text('tag', "'key:value', or 'key' for: it is there")),
  repeated(of('json')('tags', 'The same as a JSON object of texts')),
];
const V3_SEARCH = [
  text('query.serviceName', 'Service of the span'),
  text('query.operationName', 'Its name'),
  required(of('time')('query.startTimeMin', 'From, RFC 3339')),
  required(of('time')('query.startTimeMax', 'To, RFC 3339')),
  of('duration')('query.durationMin', 'At least so long'),
  of('duration')('query.durationMax', 'At most so long'),
  integer('query.searchDepth', 'Traces, 1 to 1,500; default 100'),
  of('json')('query.attributes', 'Attributes it must have, a JSON object of texts'),
  of('boolean')('query.rawTraces', 'Without adjustments'),
];
const FLOW_SIZE = [
  integer('maxTraces', 'At most so many traces of the flow, up to 1,000; default 200'),
  integer('maxSpans', 'At most so many spans, up to 100,000; default 20,000'),
];
const ACCOUNT = [
  of({ words: ['end-to-end', 'caller'] })(
    'reading',
    'Until the last thing the event caused, or what its sender waited for',
  ),
  of('spanId')('span', 'One invocation alone'),
  ...FLOW_SIZE,
];
const METRICS = [
  required(repeated(text('service', 'Service'))),
  of('boolean')('groupByOperation', 'A series for each operation'),
  repeated(of({ words: KINDS })('spanKind', 'Span kind; default: server')),
  ...WINDOW,
  step,
  integer('ratePer', 'Rates are per so many ms'),
];

const shape = (of: Shape): Answer => ({ kind: 'shape', of });
const envelope = (of: Shape): Answer => ({ kind: 'shape', of, isEnvelope: true });
const get = (path: string, summary: string, params: readonly Param[], answer: Answer): Endpoint => ({
  method: 'GET',
  path,
  summary,
  params,
  answer,
});
const post = (path: string, summary: string, answer: Answer, body?: string): Endpoint => ({
  method: 'POST',
  path,
  summary,
  params: [],
  answer,
  ...(body === undefined ? {} : { body }),
});

export const ENDPOINTS: readonly Endpoint[] = [
  get('/api/traces/{traceId}/why', 'Why a trace failed or was slow', [], shape('WhyJson')),
  get('/api/traces/{traceId}/account', 'Where the time went', ACCOUNT, shape('AccountJson')),
  get(
    '/api/traces/{traceId}/critical-path',
    'What would have to be faster',
    ACCOUNT,
    shape('CriticalPathJson'),
  ),
  get('/api/flows/{traceId}', 'Every trace that links join with this one', FLOW_SIZE, shape('FlowJson')),
  get(
    '/api/traces/{traceId}/logs',
    'Log lines of a trace',
    [],
    shape({ fields: { logs: { list: 'LogJson' } } }),
  ),
  get(
    '/api/traces/{traceId}/links',
    'Who continued this trace elsewhere',
    [],
    shape({ fields: { links: { list: 'IncomingLinkJson' } } }),
  ),
  get(
    '/api/traces/{traceId}/sampling',
    'What tail sampling decided about a trace',
    [],
    shape('SamplingJson'),
  ),
  get(
    '/api/search',
    'Traces by a query, a page at a time',
    [
      of('query')('q', 'service:greeter AND (error OR duration>200ms) NOT http.route:/x*'),
      ...WINDOW,
      limit('Traces of a page, 1 to 1,500; default 50'),
      of('cursor')('cursor', '`nextCursor` of the page before'),
    ],
    shape('SearchJson'),
  ),
  get(
    '/api/search/counts',
    'How many traces a query finds, over time',
    [
      of('query')('q', 'service:greeter AND (error OR duration>200ms) NOT http.route:/x*'),
      ...WINDOW,
      integer('bins', 'Parts of the window, 1 to 1,000; default 90'),
    ],
    shape('SearchCountsJson'),
  ),
  get('/api/sampling', 'How much tail sampling kept', WINDOW, shape('SamplingStatsJson')),
  get('/api/functions', 'The functions that ran', WINDOW, shape('FunctionsJson')),
  get('/api/functions/{name}', 'One function', [...WINDOW, step], shape('FunctionJson')),
  get(
    '/api/functions/{name}/heatmap',
    'How long its invocations took, over time',
    [...WINDOW, step, integer('rows', 'At most so many rows of durations, 1 to 200; default 24')],
    shape('HeatmapJson'),
  ),
  get(
    '/api/messages',
    'Records, and what each consumer group did to them',
    [
      text('topic', 'Topic'),
      integer('partition', 'Partition'),
      integer('offset', 'Offset'),
      text('key', 'Key'),
      text('group', 'Consumer group'),
      of('traceId')('trace', 'Trace'),
      of({ words: ['any', 'consumed', 'waiting', 'failed', 'sent'] })('state', 'State'),
      ...WINDOW,
      limit('1 to 1,000; default 100'),
    ],
    shape('MessagesJson'),
  ),
  get('/api/topics', 'How long records waited, by topic and group', [...WINDOW, step], shape('TopicsJson')),
  get(
    '/api/logs',
    'Log lines across traces, the newest first',
    [
      text('service', 'Service'),
      of('traceId')('trace', 'Trace'),
      text('text', 'Stands somewhere in the line'),
      of({ words: ['any', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'] })(
        'severity',
        'This and above',
      ),
      ...WINDOW,
      limit('1 to 10,000; default 200'),
    ],
    shape('LogsJson'),
  ),
  get(
    '/api/map',
    'Who calls whom, and over which topic',
    [...WINDOW, limit('Newest traces; default 500')],
    shape('MapJson'),
  ),
  get(
    '/api/quality',
    'What is wrong with the traces themselves',
    [...WINDOW, limit('Newest traces; default 500')],
    shape('QualityJson'),
  ),
  get(
    '/api/metrics/red',
    'Rate, errors and duration over time',
    [text('service', 'Service'), text('operation', 'Operation'), kind('kind'), ...WINDOW, step],
    shape('RedJson'),
  ),
  get('/api/traces/stream', 'Traces as they come in and grow', V1_SEARCH, {
    kind: 'events',
    of: 'TraceEventJson',
  }),
  get(
    '/api/attributes',
    'Keys of attributes, or values of one, for completion',
    [
      text('service', 'Service'),
      text('key', 'Its values instead of keys'),
      text('prefix', 'They begin so'),
      ...WINDOW,
      limit('1 to 200; default 20'),
    ],
    shape('AttributesJson'),
  ),

  get('/api/platform', 'What is declared and what runs now', [], shape('PlatformJson')),
  get(
    '/api/platform/topics/{topic}/records',
    'What the records of a topic hold',
    [
      text('partition', 'Partition, a number'),
      text('offset', 'From this offset, a number'),
      limit('1 to 100; default 1'),
    ],
    shape('RecordsJson'),
  ),
  post(
    '/api/platform/topics/{topic}/redrive',
    'Sends the records of an error topic again',
    shape('RedriveJson'),
    '{"to": TOPIC}',
  ),
  post(
    '/api/platform/functions/{namespace}/{name}/call',
    'One invocation',
    shape('FunctionAnswerJson'),
    '{"method", "subpath", "headers", "body"}, all optional',
  ),

  get('/api/services', 'Services', [], envelope({ list: 'string' })),
  get('/api/services/{service}/operations', 'Names of its operations', [], envelope({ list: 'string' })),
  get(
    '/api/operations',
    'Operations of a service, with their kinds',
    [required(text('service', 'Service')), kind('spanKind')],
    envelope({ list: { fields: { name: 'string', spanKind: 'string' } } }),
  ),
  get(
    '/api/traces',
    "Jaeger's search, or traces by id",
    [
      ...V1_SEARCH,
      repeated(of('traceId')('traceID', 'These traces, whatever else is asked')),
      of('boolean')('raw', 'Without adjustments'),
    ],
    envelope({ list: 'JaegerTrace' }),
  ),
  get(
    '/api/traces/{traceId}',
    'One trace',
    [
      integer('start', 'It is not older, µs since the epoch'),
      integer('end', 'It is not newer'),
      of('boolean')('raw', 'Without adjustments'),
    ],
    envelope({ list: 'JaegerTrace' }),
  ),
  post('/api/archive/{traceId}', 'Keeps a trace past retention', envelope({ list: 'string' })),
  post('/api/transform', "OTLP as Jaeger's traces", envelope({ list: 'JaegerTrace' }), 'OTLP JSON'),
  get(
    '/api/dependencies',
    'Who calls whom',
    [...WINDOW, text('service', 'Only edges of this one')],
    envelope({ list: { fields: { parent: 'string', child: 'string', callCount: 'number' } } }),
  ),
  get(
    '/api/metrics/latencies',
    'A quantile of durations over time',
    [...METRICS, required(of('number')('quantile', '0 to 1'))],
    shape('JaegerMetrics'),
  ),
  get('/api/metrics/calls', 'Rate of calls over time', METRICS, shape('JaegerMetrics')),
  get('/api/metrics/errors', 'Share of errors over time', METRICS, shape('JaegerMetrics')),

  get('/api/v3/services', 'Services', [], shape({ fields: { services: { list: 'string' } } })),
  get(
    '/api/v3/operations',
    'Operations of a service',
    [required(text('service', 'Service')), kind('spanKind')],
    shape({ fields: { operations: { list: { fields: { name: 'string', spanKind: 'string' } } } } }),
  ),
  get('/api/v3/traces', 'Search', V3_SEARCH, shape({ fields: { result: 'OtlpTraces' } })),
  get(
    '/api/v3/trace-summaries',
    'Search, summaries only',
    V3_SEARCH,
    shape({ fields: { summaries: { list: 'TraceSummaryJson' } } }),
  ),
  get(
    '/api/v3/traces/{traceId}',
    'One trace',
    [
      of('time')('startTime', 'It is not older, RFC 3339'),
      of('time')('endTime', 'It is not newer'),
      of('boolean')('rawTraces', 'Without adjustments'),
    ],
    shape({ fields: { result: 'OtlpTraces' } }),
  ),
  get(
    '/api/openapi.json',
    'This API as an OpenAPI document',
    [],
    shape({
      fields: {
        openapi: 'string',
        info: 'unknown',
        paths: 'unknown',
        components: 'unknown',
        security: { list: 'unknown' },
      },
    }),
  ),
];
