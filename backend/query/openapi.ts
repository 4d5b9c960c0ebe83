import type { FastifyInstance } from 'fastify';
import { ENDPOINTS, type Answer, type Endpoint, type Param, type Shape } from './endpoints.ts';
import { sendJson } from './request.ts';
import { shapeSchemas, type Schema } from './shape-schemas.ts';

/** `GET /api/openapi.json`: the whole API as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1), from endpoints.ts and shapes.ts. */
export function addOpenapi(app: FastifyInstance): void {
  let document: object | undefined;
  app.get('/api/openapi.json', async (request, reply) => sendJson(request, reply, (document ??= openapi())));
}

export function openapi(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const endpoint of ENDPOINTS)
    (paths[endpoint.path] ??= {})[endpoint.method.toLowerCase()] = operationOf(endpoint);
  return {
    openapi: '3.1.1',
    info: {
      title: 'Spoor query API',
      version: '1',
      description:
        'Traces, why they failed or were slow, and what they say together. Times in our own answers are nanoseconds as decimal strings.',
    },
    paths,
    components: {
      schemas: { ...shapeSchemas(), Errors: ERRORS, ErrorV3: ERROR_V3 },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
    security: [{}, { token: [] }],
  };
}

/** What a 200 holds; undefined when it is no JSON. */
export function answerSchema(answer: Answer): Schema | undefined {
  if (answer.kind === 'events') return undefined;
  const schema = schemaOf(answer.of);
  return answer.isEnvelope ? envelopeOf(schema) : schema;
}

/** A stream is a text for OpenAPI 3.1; what the data of its events is stands beside it, as JSON Schema has it for texts that hold JSON. */
function eventsSchema(answer: Answer): object {
  return answer.kind === 'events'
    ? {
        type: 'string',
        description: 'Server-sent events; the data of each is of this schema',
        contentMediaType: 'application/json',
        contentSchema: { $ref: `#/components/schemas/${answer.of}` },
      }
    : {};
}

function operationOf({ method, path, summary, params, answer, body }: Endpoint): object {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    ...(name === 'traceId'
      ? { description: '32 hex digits, leading zeros optional, or 16 bytes in base64' }
      : {}),
  }));
  const error = (description: string) => ({
    description,
    content: {
      'application/json': {
        schema: { $ref: `#/components/schemas/${path.startsWith('/api/v3/') ? 'ErrorV3' : 'Errors'}` },
      },
    },
  });
  const schema = answerSchema(answer);
  return {
    operationId: `${method.toLowerCase()}${path
      .slice('/api'.length)
      .replaceAll(/[^A-Za-z0-9]+(\w)?/g, (_, letter: string | undefined) => letter?.toUpperCase() ?? '')}`,
    summary,
    parameters: [...inPath, ...params.map(parameterOf)],
    ...(body === undefined
      ? {}
      : {
          requestBody: { description: body, required: true, content: { 'application/json': { schema: {} } } },
        }),
    responses: {
      200: {
        description: 'What was asked for',
        content: schema
          ? { 'application/json': { schema } }
          : { 'text/event-stream': { schema: eventsSchema(answer) } },
      },
      400: error('What was sent cannot be read'),
      404: error('It is not there'),
      503: error('It would take more than one query may use'),
    },
  };
}

function parameterOf({ name, type, description, isRequired, isRepeated }: Param): object {
  const schema: Schema =
    typeof type === 'object'
      ? { type: 'string', enum: type.words }
      : type === 'boolean' || type === 'number'
        ? { type }
        : { type: 'string' };
  return {
    name,
    in: 'query',
    description: type === 'integer' ? `${description} (a whole number)` : description,
    ...(isRequired ? { required: true } : {}),
    schema: isRepeated ? { type: 'array', items: schema } : schema,
  };
}

function schemaOf(shape: Shape): Schema {
  if (typeof shape === 'string') {
    if (shape === 'unknown') return {};
    return shape === 'string' || shape === 'number'
      ? { type: shape }
      : { $ref: `#/components/schemas/${shape}` };
  }
  if ('list' in shape) return { type: 'array', items: schemaOf(shape.list) };
  const names = Object.keys(shape.fields);
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, schemaOf(shape.fields[name] as Shape)])),
    required: names,
    additionalProperties: false,
  };
}

/** Jaeger's v1 envelope (envelope.ts). */
function envelopeOf(data: Schema): Schema {
  return {
    type: 'object',
    properties: {
      data: { anyOf: [data, { type: 'null' }] },
      total: { type: 'number' },
      limit: { type: 'number' },
      offset: { type: 'number' },
      errors: {
        anyOf: [
          {
            type: 'array',
            items: {
              type: 'object',
              properties: { code: { type: 'number' }, msg: { type: 'string' }, traceID: { type: 'string' } },
              required: ['msg'],
              additionalProperties: false,
            },
          },
          { type: 'null' },
        ],
      },
    },
    required: ['data', 'total', 'limit', 'offset', 'errors'],
    additionalProperties: false,
  };
}

const ERRORS: Schema = envelopeOf({ type: 'null' });
const ERROR_V3: Schema = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      properties: { httpCode: { type: 'number' }, message: { type: 'string' } },
      required: ['httpCode', 'message'],
      additionalProperties: false,
    },
  },
  required: ['error'],
  additionalProperties: false,
};
