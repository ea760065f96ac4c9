/** All routes. The HTTP application and the OpenAPI document are both made from this table. */
import { basename, resolve } from 'node:path';
import type { JsonObject, JsonValue } from '../base/json.ts';
import { chatFormat, completionFormat } from './api/answers.ts';
import { chatFields, readChatRequest } from './api/chat-request.ts';
import { completionFields, readCompletionRequest } from './api/completion-request.ts';
import type { Fields } from './api/fields.ts';
import { moderationAnswer, moderationFields, noPolicy, readModeration } from './api/moderations.ts';
import { reloadAnswer } from './api/reload.ts';
import { responsesFormat } from './api/responses-format.ts';
import { readResponsesRequest, responsesFields } from './api/responses-request.ts';
import {
  detokenizeAnswer,
  detokenizeFields,
  readDetokenize,
  readTokenize,
  tokenizeAnswer,
  tokenizeFields,
  tokenizerInfo,
} from './api/tokens.ts';
import { chatPage } from './chat-page.ts';
import { whileClientWaits } from './client-limit.ts';
import { feedbackRoutes } from './feedback-routes.ts';
import { answer, checkModel, type Exchange, type GenerationContext } from './generation.ts';
import type { EngineSwitch } from './host/engine-switch.ts';
import type { ServeSettings } from './settings.ts';

/** A call of a route. */
export interface Call extends Exchange {
  /** The parameters in the path. */
  params: Readonly<Record<string, string>>;
  /** Reads the body. Throws ApiError. */
  body(): Promise<JsonValue>;
}

/** An object is sent as JSON with status 200; undefined: the answer was sent already. */
export type Answer =
  | { json: JsonObject; status?: number }
  | { text: string; headers?: Readonly<Record<string, string>> }
  | undefined;

export interface Route {
  method: 'GET' | 'POST' | 'DELETE';
  /** With parameters as `:name`. */
  path: string;
  summary: string;
  /** Fields of the body. */
  fields?: Fields;
  required?: readonly string[];
  /** Whether it needs an admin key. */
  isAdmin?: boolean;
  /** Whether the answer can be a stream of events. */
  streams?: boolean;
  /** Of an answer that is text. Default: JSON. */
  contentType?: string;
  /** Other statuses than 200 and those of errors. */
  statuses?: Readonly<Record<number, string>>;
  handle(call: Call): Promise<Answer> | Answer;
}

/** What the routes need of the server. */
export interface RouteContext extends GenerationContext {
  settings: ServeSettings;
  engines: EngineSwitch;
  /** Whether new requests are taken. */
  isDraining(): boolean;
  metrics(): string;
  openApi(): JsonObject;
}

/** The name under which a model is served. */
export function servedName({ name, model }: Pick<ServeSettings, 'name' | 'model'>): string {
  return name ?? basename(resolve(model));
}

export function routes(context: RouteContext): Route[] {
  return [
    ...generationRoutes(context),
    ...modelRoutes(context),
    ...tokenRoutes(context),
    ...feedbackRoutes(context.feedback),
    moderationRoute(context),
    ...stateRoutes(context),
    reloadRoute(context),
    pageRoute(),
  ];
}

function generationRoutes(context: RouteContext): Route[] {
  const { settings } = context;
  // Once for all requests: a table is dozens of objects.
  const fields = {
    chat: chatFields(settings),
    completion: completionFields(settings),
    responses: responsesFields(settings),
  };
  return [
    {
      method: 'POST',
      path: '/v1/chat/completions',
      summary: "Answer a conversation with the model's chat template.",
      fields: fields.chat,
      required: ['messages'],
      streams: true,
      handle: async (call) => {
        const { toolUse } = context.host.model;
        const { request, calls } = readChatRequest(fields.chat, await call.body(), toolUse);
        return whole(await answer(context, request, chatFormat(calls), call));
      },
    },
    {
      method: 'POST',
      path: '/v1/completions',
      summary: 'Continue texts or token ids, and score them.',
      fields: fields.completion,
      required: ['prompt'],
      streams: true,
      handle: async (call) =>
        whole(
          await answer(
            context,
            readCompletionRequest(fields.completion, await call.body()),
            completionFormat,
            call,
          ),
        ),
    },
    {
      method: 'POST',
      path: '/v1/responses',
      summary: 'Answer a conversation, in the form of the Responses API.',
      fields: fields.responses,
      required: ['input'],
      streams: true,
      handle: async (call) => {
        const { toolUse } = context.host.model;
        const { request, calls, echo } = readResponsesRequest(fields.responses, await call.body(), toolUse);
        return whole(await answer(context, request, responsesFormat(echo, calls), call));
      },
    },
  ];
}

function whole(json: JsonObject | undefined): Answer {
  return json && { json };
}

function modelRoutes(context: RouteContext): Route[] {
  const { modelName } = context;
  const model = (): JsonObject => ({
    id: modelName,
    object: 'model',
    created: context.engines.created,
    owned_by: 'athanor',
    max_model_len: context.host.model.contextLength,
    hash: context.host.model.hash,
  });
  return [
    {
      method: 'GET',
      path: '/v1/models',
      summary: 'List the model.',
      handle: () => ({ json: { object: 'list', data: [model()] } }),
    },
    {
      method: 'GET',
      path: '/v1/models/:model',
      summary: 'Describe the model.',
      handle: ({ params }) => {
        checkModel(params.model, modelName);
        return { json: model() };
      },
    },
  ];
}

function tokenRoutes(context: RouteContext): Route[] {
  const { settings } = context;
  return [
    {
      method: 'POST',
      path: '/tokenize',
      summary: 'Turn a text or a conversation into token ids.',
      fields: tokenizeFields(settings),
      handle: async (call) => {
        const { host } = context;
        const [tokens] = await host.encode([readTokenize(settings, await call.body())]);
        return { json: tokenizeAnswer(tokens!, host.model) };
      },
    },
    {
      method: 'POST',
      path: '/detokenize',
      summary: 'Turn token ids into text.',
      fields: detokenizeFields,
      required: ['tokens'],
      handle: async (call) => ({
        json: detokenizeAnswer(await context.host.decode(readDetokenize(await call.body()))),
      }),
    },
    {
      method: 'GET',
      path: '/tokenizer_info',
      summary: 'Describe the tokenizer.',
      handle: () => ({ json: tokenizerInfo(context.host.model) }),
    },
  ];
}

function moderationRoute({ safety, settings }: RouteContext): Route {
  return {
    method: 'POST',
    path: '/v1/moderations',
    summary: 'Check texts with the safety policy.',
    fields: moderationFields(settings),
    required: ['input'],
    handle: async (call) => {
      if (!safety) throw noPolicy();
      const texts = readModeration(settings, await call.body());
      const { checks } = safety;
      const found = await whileClientWaits(call.response, settings.checkSeconds, (limit) =>
        checks.moderate(texts, limit),
      );
      return { json: moderationAnswer(checks.policy.hash, found) };
    },
  };
}

function stateRoutes(context: RouteContext): Route[] {
  return [
    {
      method: 'GET',
      path: '/health',
      summary: 'Say that the HTTP server lives. Needs no key.',
      handle: () => ({ json: { status: 'ok' } }),
    },
    {
      method: 'GET',
      path: '/ready',
      summary: 'Say whether requests are worked on, and whether answers are recorded for feedback.',
      statuses: { 503: 'The engine starts or stalls, or the server is stopping.' },
      handle: () => {
        const isReady = context.host.isReady && !context.isDraining();
        const state = context.feedback?.state;
        const status = isReady ? 'ready' : 'not ready';
        return { json: { status, ...(state && { feedback: { ...state } }) }, status: isReady ? 200 : 503 };
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      summary: 'Counters, gauges and histograms for Prometheus.',
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      handle: () => ({ text: context.metrics() }),
    },
    {
      method: 'GET',
      path: '/openapi.json',
      summary: 'This description.',
      handle: () => ({ json: context.openApi() }),
    },
  ];
}

function reloadRoute({ engines, modelName }: RouteContext): Route {
  return {
    method: 'POST',
    path: '/admin/reload',
    summary: 'Load the model that the path of the server shows now, and give it to new requests.',
    isAdmin: true,
    statuses: { 422: 'The model cannot be loaded; the old one goes on.' },
    handle: async () => ({ json: await reloadAnswer(modelName, () => engines.reload()) }),
  };
}

function pageRoute(): Route {
  const { html: text, headers } = chatPage();
  return {
    method: 'GET',
    path: '/',
    summary: 'The chat page. Needs no key; what it calls does.',
    contentType: 'text/html; charset=utf-8',
    handle: () => ({ text, headers }),
  };
}
