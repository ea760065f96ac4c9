/** The HTTP application: the guard, the limits, the routes, and one record per request. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { type Guard, isAdminPath } from './access/guard.ts';
import type { Rates } from './access/rates.ts';
import { readJsonBody } from './body.ts';
import type { Metrics } from './metrics.ts';
import { ApiError } from './protocol/api-error.ts';
import type { RequestEvent } from './protocol/events.ts';
import { RequestRecord } from './request-record.ts';
import type { Answer, Call, Route } from './routes.ts';

/** The parts of a request in Node. */
export type NodeParts = { incoming: IncomingMessage; outgoing: ServerResponse };

export interface AppOptions {
  guard: Guard;
  rates: Rates;
  metrics: Metrics;
  maxBodyBytes: number;
  isDraining(): boolean;
  onEvent?: ((event: RequestEvent) => void) | undefined;
}

type Env = { Bindings: NodeParts; Variables: { record: RequestRecord; isAdmin: boolean } };

/** There are no CORS headers: pages of other origins can read nothing. */
const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

export function createApp(routes: readonly Route[], options: AppOptions): Hono<Env> {
  const { guard, rates, metrics, isDraining, onEvent } = options;
  const app = new Hono<Env>();
  // Before anything else: what does not pass the guard reaches no route, known or unknown.
  app.use('*', async (c, next) => {
    const record = new RequestRecord(`req-${randomUUID()}`, c.req.method, metrics);
    c.set('record', record);
    try {
      const client = guard.check(c.req.path, (name) => c.req.header(name));
      record.client = client.name;
      c.set('isAdmin', client.isAdmin);
      await next();
    } catch (error) {
      c.res = refusal(record, error);
    }
    onEvent?.(record.end(c.res.status));
  });
  for (const route of routes) {
    app.on(route.method, route.path, async (c) => {
      const record = c.get('record');
      record.route = route.path;
      if (route.isAdmin && !c.get('isAdmin')) throw adminOff();
      if (isDraining() && route.method !== 'GET') {
        throw new ApiError(503, 'stopping', 'the server is stopping', { retryAfter: 5 });
      }
      const isLimited = route.method === 'POST' && !route.isAdmin;
      const end = isLimited ? rates.begin(record.client) : undefined;
      try {
        return response(route, await route.handle(callOf(c, options.maxBodyBytes)), record);
      } finally {
        end?.();
      }
    });
  }
  app.notFound((c) => {
    const { method, path } = c.req;
    const isOff = isAdminPath(path) && !c.get('isAdmin');
    return refusal(c.get('record'), isOff ? adminOff() : unknownRoute(method, path, routes));
  });
  app.onError((error, c) => refusal(c.get('record'), error));
  return app;
}

function callOf(c: Context<Env>, maxBodyBytes: number): Call {
  const record = c.get('record');
  const { incoming, outgoing } = c.env;
  return {
    record,
    response: outgoing,
    headers: { ...HEADERS, 'x-request-id': record.id },
    params: c.req.param() as Readonly<Record<string, string>>,
    body: () => readJsonBody(incoming, maxBodyBytes),
  };
}

function response({ contentType }: Route, answer: Answer, record: RequestRecord): Response {
  if (answer === undefined) return RESPONSE_ALREADY_SENT;
  const headers = { ...HEADERS, 'x-request-id': record.id };
  if ('text' in answer) {
    const type = { 'content-type': contentType ?? 'text/plain; charset=utf-8' };
    return new Response(answer.text, { headers: { ...headers, ...answer.headers, ...type } });
  }
  return Response.json(answer.json, { status: answer.status ?? 200, headers });
}

function refusal(record: RequestRecord, error: unknown): Response {
  const shown = record.failure(error);
  record.error = shown;
  const headers: Record<string, string> = { ...HEADERS, 'x-request-id': record.id };
  if (shown.retryAfter !== undefined) headers['retry-after'] = String(shown.retryAfter);
  if (shown.status === 401) headers['www-authenticate'] = 'Bearer';
  return Response.json(shown.body, { status: shown.status === 499 ? 400 : shown.status, headers });
}

/** The guard lets nobody to an admin route without an admin key, except where there are none. */
function adminOff(): ApiError {
  return new ApiError(404, 'admin_off', 'this server has no admin routes: it was started without admin keys');
}

function unknownRoute(method: string, path: string, routes: readonly Route[]): ApiError {
  const others = routes.filter((route) => route.path === path).map((route) => route.method);
  if (others.length === 0)
    return new ApiError(
      404,
      'unknown_url',
      `this server has no ${method} of this path; GET /openapi.json lists its paths`,
    );
  return new ApiError(405, 'method_not_allowed', `this path takes ${others.join(' and ')}`);
}
