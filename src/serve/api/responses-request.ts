/** POST /v1/responses */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { Message } from '../../text/chat-template.ts';
import { ApiError, badValue } from '../protocol/api-error.ts';
import { textFormatField } from './answer-form.ts';
import { messageOf, type ToolGeneration, withToolNames } from './chat-request.ts';
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
import { samplingFields, samplingOf, userOf } from './generation-request.ts';
import type { RequestLimits } from './limits.ts';
import {
  responseToolChoiceField,
  responseToolsField,
  type ToolChoice,
  type ToolFunction,
  toolPlan,
  toolRequest,
} from './tools.ts';

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
    tools: responseToolsField(),
    tool_choice: responseToolChoiceField(),
    parallel_tool_calls: booleanField('Whether an answer may have several calls. Default true.'),
    max_tool_calls: ignoredField('It counts calls of hosted tools, and there are none.'),
    include: ignoredField(
      'Parts of an answer that a model without hosted tools and reasoning does not have.',
    ),
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
  /** `text.format` */
  format: JsonObject;
  tools: readonly ToolFunction[];
  toolChoice: ToolChoice;
  isParallel: boolean;
}

/** Throws ApiError of status 400. */
export function readResponsesRequest(
  fields: ReturnType<typeof responsesFields>,
  body: JsonValue,
  toolUse: string,
): ToolGeneration & { echo: ResponseEcho } {
  const values = readFields(fields, body);
  const { input, instructions, max_output_tokens: maxTokens, metadata = {} } = values;
  if (input === undefined) throw badValue('input', 'input is missing', 'missing_parameter');
  const system: Message[] = instructions === undefined ? [] : [{ role: 'system', content: instructions }];
  const sampling = samplingOf(values);
  if (values.stream_options !== undefined && !values.stream) {
    throw badValue('stream_options', 'stream_options needs stream to be true');
  }
  const { tools = [], tool_choice: toolChoice = 'auto', parallel_tool_calls: isParallel = true } = values;
  const form = values.text?.format;
  const asked = toolRequest(tools, toolChoice, isParallel);
  const messages = [...system, ...input];
  const { templateTools, calls, rule, checks, textTokens } = toolPlan(
    asked,
    form,
    toolUse,
    messages,
    () => 'input',
  );
  return {
    calls,
    request: {
      model: values.model,
      prompts: [{ kind: 'chat', messages, variables: {}, ending: 'answer', tools: templateTools }],
      n: 1,
      maxTokens,
      dropTokens: false,
      checks,
      job: {
        ...{ sampling, stopStrings: [], ends: 'turn', skipSpecial: true, textTokens, rule },
        ...{ topLogProbs: undefined, reportPrompt: false, echo: false },
      },
      user: userOf(values),
      stream: values.stream ?? false,
      includeUsage: true,
    },
    echo: {
      ...{ instructions, metadata, maxOutputTokens: maxTokens, tools, toolChoice, isParallel },
      format: form?.echo ?? { type: 'text' },
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
    const messages: Message[] = [];
    value.forEach((item, i) => {
      addItem(messages, item, `${param}[${i}]`);
    });
    return messages.length > 0 ? withToolNames(messages) : [{ role: 'user', content: '' }];
  });
}

/** Types of the parts of a message. */
const TEXT_PARTS = ['input_text', 'output_text', 'text'];

/** Adds an item of the input. Calls belong to the message of the assistant before them. */
function addItem(messages: Message[], item: JsonValue, param: string): void {
  if (!isObject(item)) throw badValue(param, `${param} must be an object`);
  const { type = 'message', role, content } = item;
  switch (type) {
    // What an earlier model thought is for that model.
    case 'reasoning':
      return;
    case 'message': {
      const parts = Array.isArray(content) ? content.map(textPart) : content;
      messages.push(messageOf({ role: role ?? null, content: parts ?? null }, param));
      return;
    }
    case 'function_call':
      addCall(messages, item, param);
      return;
    case 'function_call_output': {
      const { call_id, output } = item;
      const said = Array.isArray(output) ? output.map(textPart) : output;
      messages.push(messageOf({ role: 'tool', tool_call_id: call_id ?? null, content: said ?? null }, param));
      return;
    }
  }
  const shown = JSON.stringify(type).slice(0, 60);
  const problem = `this server does not support items of the type ${shown}`;
  throw new ApiError(400, 'unsupported_parameter', problem, { param });
}

function addCall(messages: Message[], { call_id, name, arguments: args }: JsonObject, param: string): void {
  const call = {
    id: call_id ?? null,
    type: 'function',
    function: { name: name ?? null, arguments: args ?? null },
  };
  const { fields } = messageOf({ role: 'assistant', content: null, tool_calls: [call] }, param);
  const last = messages.at(-1);
  if (last?.role !== 'assistant') {
    messages.push({ role: 'assistant', content: '', fields: fields! });
    return;
  }
  const before = last.fields?.tool_calls;
  const calls = [...(Array.isArray(before) ? before : []), ...(fields!.tool_calls as JsonValue[])];
  messages[messages.length - 1] = { ...last, fields: { ...last.fields, tool_calls: calls } };
}

/** A part in the form of the chat API, which reads it. */
function textPart(part: JsonValue): JsonValue {
  if (!isObject(part) || !TEXT_PARTS.includes(String(part.type))) return part;
  return { type: 'text', text: part.text ?? null };
}

function textField() {
  return objectField('The form of the text.', {
    format: textFormatField(),
    verbosity: unsupportedField('verbosities', ['medium']),
  });
}
