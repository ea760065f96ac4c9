/** The OpenAPI document of the routes. */
import type { JsonObject } from '../base/json.ts';
import { packageVersion } from '../base/package-version.ts';
import { schemasOf } from './api/fields.ts';
import type { Route } from './routes.ts';

const ERRORS: Readonly<Record<number, string>> = {
  400: 'The request is not accepted; param names the field.',
  401: 'The key is missing or wrong.',
  403: 'The Host or Origin header is not allowed.',
  404: 'There is no such model or path.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  429: 'A limit of the key is reached; Retry-After has the seconds to wait.',
  500: 'The server failed.',
  503: 'The queue is full, or the engine starts again.',
};

export function openApiDocument(routes: readonly Route[]): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Athanor', version: packageVersion(), license: { name: 'Apache-2.0' } },
    security: [{ bearer: [] }, { header: [] }, {}],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        header: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
      schemas: { Error: errorSchema() },
      responses: Object.fromEntries(
        Object.entries(ERRORS).map(([status, description]) => [
          `Error${status}`,
          {
            description,
            content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
          },
        ]),
      ),
    },
  };
}

function operation(route: Route): JsonObject {
  const {
    summary,
    fields,
    required = [],
    streams,
    contentType,
    statuses = {},
    path,
    method,
    isAdmin,
  } = route;
  const parameters = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    ...{ name: name!, in: 'path', required: true },
    schema: { type: 'string' },
  }));
  const failures =
    method === 'POST' ? [400, 401, 403, 404, 413, 415, 429, 500, 503] : [401, 403, 404, 500, 503];
  const content: JsonObject = { [contentType?.split(';')[0] ?? 'application/json']: {} };
  if (streams) content['text/event-stream'] = {};
  const others = Object.entries(statuses).map(([status, description]) => [status, { description }]);
  return {
    summary,
    // The schemes are the same, the keys are not.
    ...(isAdmin && { security: [{ bearer: [] }, { header: [] }] }),
    ...(parameters.length > 0 && { parameters }),
    ...(fields && {
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: {
              type: 'object',
              properties: schemasOf(fields),
              required: [...required],
              additionalProperties: false,
            },
          },
        },
      },
    }),
    responses: {
      200: { description: 'The answer.', content },
      ...Object.fromEntries(
        failures.map((status) => [status, { $ref: `#/components/responses/Error${status}` }]),
      ),
      ...Object.fromEntries(others),
    },
  };
}

function errorSchema(): JsonObject {
  const error: JsonObject = {
    type: 'object',
    required: ['message', 'type', 'param', 'code'],
    properties: {
      message: { type: 'string' },
      type: { type: 'string' },
      param: { type: ['string', 'null'] },
      code: { type: 'string' },
    },
  };
  return { type: 'object', required: ['error'], properties: { error } };
}
