/** POST /v1/responses */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { Message } from '../../text/chat-template.ts';
import { ApiError, badValue } from '../protocol/api-error.ts';
import { messageOf } from './chat-request.ts';
import {
  booleanField,
  customField,
  type Field,
  ignoredField,
  integerField,
  isObject,
  objectField,
  readFields,
  stringField,
  unsupportedField,
} from './fields.ts';
import { type GenerationRequest, samplingFields, samplingOf, userOf } from './generation-request.ts';
import type { RequestLimits } from './limits.ts';

export function responsesFields(limits: RequestLimits) {
  const { model, temperature, top_p, top_k, min_p, seed, user, safety_identifier, metadata } =
    samplingFields(limits);
  const { service_tier, store, prompt_cache_key, prompt_cache_retention } = samplingFields(limits);
  return {
    ...{ model, temperature, top_p, top_k, min_p, seed, user, safety_identifier, metadata },
    ...{ service_tier, store, prompt_cache_key, prompt_cache_retention },
    input: inputField(limits),
    instructions: stringField('A system message before the input.'),
    max_output_tokens: integerField('Largest number of new tokens, cut to what fits the context.', {
      min: 1,
    }),
    stream: booleanField('Send the answer as typed events while it is generated.'),
    stream_options: objectField('Options of a stream.', {
      include_obfuscation: ignoredField('Padding of events.'),
    }),
    tools: toolsField(),
    tool_choice: unsupportedField('tools', ['none', 'auto']),
    parallel_tool_calls: unsupportedField('tools', [true, false]),
    max_tool_calls: ignoredField('There are no tool calls.'),
    include: ignoredField('Parts of an answer that a model without tools and reasoning does not have.'),
    reasoning: ignoredField('A model without reasoning has no effort.'),
    text: textField(),
    truncation: unsupportedField('truncation', ['disabled']),
    background: unsupportedField('answers in the background', [false]),
    previous_response_id: unsupportedField('stored answers: send the whole conversation as input'),
    conversation: unsupportedField('stored conversations'),
    prompt: unsupportedField('stored prompts'),
    top_logprobs: unsupportedField('log-probabilities in /v1/responses', [0]),
  };
}

/** What an answer repeats of its request. */
export interface ResponseEcho {
  instructions: string | undefined;
  maxOutputTokens: number | undefined;
  temperature: number;
  topP: number;
  metadata: JsonValue;
}

/** Throws ApiError of status 400. */
export function readResponsesRequest(
  limits: RequestLimits,
  body: JsonValue,
): { request: GenerationRequest; echo: ResponseEcho } {
  const values = readFields(responsesFields(limits), body);
  const { input, instructions, max_output_tokens: maxTokens, metadata = {} } = values;
  if (input === undefined) throw badValue('input', 'input is missing', 'missing_parameter');
  const system: Message[] = instructions === undefined ? [] : [{ role: 'system', content: instructions }];
  const sampling = samplingOf(values);
  if (values.stream_options !== undefined && !values.stream) {
    throw badValue('stream_options', 'stream_options needs stream to be true');
  }
  return {
    request: {
      model: values.model,
      prompts: [{ kind: 'chat', messages: [...system, ...input], variables: {}, addGenerationPrompt: true }],
      n: 1,
      maxTokens,
      dropTokens: false,
      job: {
        ...{ sampling, stopStrings: [], ends: 'turn', skipSpecial: true },
        ...{ topLogProbs: undefined, reportPrompt: false, echo: false },
      },
      user: userOf(values),
      stream: values.stream ?? false,
      includeUsage: true,
    },
    echo: {
      ...{ instructions, metadata, maxOutputTokens: maxTokens },
      temperature: sampling.temperature!,
      topP: sampling.topP!,
    },
  };
}

/** A text, or messages. Clients probe a server with an empty input, which is an empty message. */
function inputField({ maxMessages }: RequestLimits): Field<Message[]> {
  const items: JsonObject = { type: 'array', items: { type: 'object' }, maxItems: maxMessages };
  const description = 'The message of the user, or the conversation as a list of messages.';
  return customField({ description, anyOf: [{ type: 'string' }, items] }, (value, param) => {
    if (typeof value === 'string') return [{ role: 'user', content: value }];
    if (!Array.isArray(value)) throw badValue(param, `${param} must be a string or a list of items`);
    if (value.length > maxMessages) {
      throw badValue(param, `${param} has ${value.length} items; at most ${maxMessages} are allowed`);
    }
    const messages = value.flatMap((item, i) => itemOf(item, `${param}[${i}]`));
    return messages.length > 0 ? messages : [{ role: 'user', content: '' }];
  });
}

/** Types of the parts of a message. */
const TEXT_PARTS = ['input_text', 'output_text', 'text'];

function itemOf(item: JsonValue, param: string): Message[] {
  if (!isObject(item)) throw badValue(param, `${param} must be an object`);
  const { type = 'message', role, content } = item;
  // What an earlier model thought is for that model.
  if (type === 'reasoning') return [];
  if (type !== 'message') {
    const shown = JSON.stringify(type).slice(0, 60);
    throw new ApiError(
      400,
      'unsupported_parameter',
      `this server does not support items of the type ${shown}`,
      {
        param,
      },
    );
  }
  const parts = Array.isArray(content) ? content.map(textPart) : content;
  return [messageOf({ role: role ?? null, content: parts ?? null }, param)];
}

/** A part in the form of the chat API, which reads it. */
function textPart(part: JsonValue): JsonValue {
  if (!isObject(part) || !TEXT_PARTS.includes(String(part.type))) return part;
  return { type: 'text', text: part.text ?? null };
}

/** Tools that a server of OpenAI runs itself are left out, as they are for models without them. */
function toolsField(): Field<undefined> {
  const description = 'Functions are not supported. Other types of tools, which are hosted, are ignored.';
  const schema: JsonObject = { type: 'array', items: { type: 'object' }, description };
  return customField(schema, (value, param) => {
    if (!Array.isArray(value)) throw badValue(param, `${param} must be a list`);
    for (const tool of value) {
      if (!isObject(tool) || typeof tool.type !== 'string') {
        throw badValue(param, `${param} must hold objects with a type`);
      }
      if (tool.type !== 'function' && tool.type !== 'custom') continue;
      throw new ApiError(400, 'unsupported_parameter', 'this server does not support functions as tools', {
        param,
      });
    }
    return undefined;
  });
}

function textField(): Field<unknown> {
  return objectField('The form of the text.', {
    format: unsupportedField('structured answers', [{ type: 'text' }]),
    verbosity: unsupportedField('verbosities', ['medium']),
  });
}
