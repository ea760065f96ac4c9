/** POST /v1/chat/completions */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { Message } from '../../text/chat-template.ts';
import { ApiError, badValue } from '../protocol/api-error.ts';
import type { PromptEnding } from '../protocol/messages.ts';
import { checkEnds, responseFormatField } from './answer-form.ts';
import {
  booleanField,
  customField,
  type Field,
  integerField,
  isObject,
  readFields,
  unsupportedField,
} from './fields.ts';
import {
  type GenerationRequest,
  includesUsage,
  samplingFields,
  samplingOf,
  userOf,
} from './generation-request.ts';
import { MAX_TOOLS, MAX_TOP, type RequestLimits } from './limits.ts';
import { type ToolCalls, toolChoiceField, toolPlan, toolRequest, toolsField } from './tools.ts';

export function chatFields(limits: RequestLimits) {
  return {
    ...samplingFields(limits),
    messages: messagesField(limits),
    max_completion_tokens: integerField('Largest number of new tokens, cut to what fits the context.', {
      min: 1,
    }),
    max_tokens: integerField('The older name of max_completion_tokens.', { min: 1 }),
    logprobs: booleanField('Give the log-probability of each token.'),
    top_logprobs: integerField('Also give those of this many likeliest tokens.', { min: 0, max: MAX_TOP }),
    chat_template_kwargs: variablesField(),
    ...endingFields(),
    tools: toolsField(),
    tool_choice: toolChoiceField(),
    parallel_tool_calls: booleanField('Whether an answer may have several calls. Default true.'),
    functions: unsupportedField('functions: give them as tools', [[]]),
    function_call: unsupportedField('functions: give them as tools', ['none', 'auto']),
    response_format: responseFormatField(),
    modalities: unsupportedField('answers other than text', [['text']]),
    audio: unsupportedField('audio'),
    prediction: unsupportedField('predicted answers'),
    reasoning_effort: unsupportedField('reasoning efforts'),
    verbosity: unsupportedField('verbosities', ['medium']),
    web_search_options: unsupportedField('search on the web'),
  };
}

/** A request, and how calls are found in its answer. */
export interface ToolGeneration {
  request: GenerationRequest;
  calls: ToolCalls | undefined;
}

/** Throws ApiError of status 400. */
export function readChatRequest(
  fields: ReturnType<typeof chatFields>,
  body: JsonValue,
  toolUse: string,
): ToolGeneration {
  const values = readFields(fields, body);
  const { messages, logprobs = false, top_logprobs = 0, chat_template_kwargs: variables = {} } = values;
  if (messages === undefined) throw badValue('messages', 'messages is missing', 'missing_parameter');
  if (values.top_logprobs !== undefined && !logprobs) {
    throw badValue('top_logprobs', 'top_logprobs needs logprobs to be true');
  }
  const { max_completion_tokens: newName, max_tokens: oldName } = values;
  if (newName !== undefined && oldName !== undefined && newName !== oldName) {
    throw badValue('max_tokens', 'max_tokens and max_completion_tokens are not equal: give one of them');
  }
  const { tools, tool_choice, parallel_tool_calls } = values;
  const asked = toolRequest(tools, tool_choice, parallel_tool_calls);
  const { templateTools, calls, rule, checks, textTokens } = toolPlan(
    asked,
    values.response_format,
    toolUse,
    messages,
    (i) => `messages[${i}]`,
  );
  checkEnds(rule, values.ignore_eos);
  const request: GenerationRequest = {
    model: values.model,
    prompts: [{ kind: 'chat', messages, variables, ending: promptEnding(values), tools: templateTools }],
    n: values.n ?? 1,
    maxTokens: newName ?? oldName,
    dropTokens: false,
    checks,
    job: {
      sampling: samplingOf(values),
      stopStrings: values.stop ?? [],
      ends: values.ignore_eos ? 'never' : 'turn',
      skipSpecial: true,
      ...{ textTokens, rule },
      topLogProbs: logprobs ? top_logprobs : undefined,
      reportPrompt: false,
      echo: false,
    },
    user: userOf(values),
    stream: values.stream ?? false,
    includeUsage: includesUsage(values),
  };
  return { request, calls };
}

const ROLES: Readonly<Record<string, string>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
};

export function messagesField({ maxMessages }: RequestLimits): Field<Message[]> {
  const part: JsonObject = {
    type: 'object',
    required: ['type', 'text'],
    properties: { type: { const: 'text' }, text: { type: 'string' } },
  };
  const item: JsonObject = {
    type: 'object',
    required: ['role'],
    properties: {
      role: { enum: Object.keys(ROLES) },
      content: { anyOf: [{ type: 'string' }, { type: 'array', items: part }, { type: 'null' }] },
      name: { type: 'string' },
      tool_calls: { type: 'array', items: { type: 'object' }, description: 'Calls of an assistant.' },
      tool_call_id: { type: 'string', description: 'The call that a message of a tool answers.' },
    },
  };
  const description = 'The conversation. Text of a message never becomes a control token.';
  const schema: JsonObject = { type: 'array', description, items: item, minItems: 1, maxItems: maxMessages };
  return customField(schema, (value, param) => {
    if (!Array.isArray(value) || value.length === 0) {
      throw badValue(param, `${param} must be a list of messages, and not empty`);
    }
    if (value.length > maxMessages) {
      throw badValue(param, `${param} has ${value.length} messages; at most ${maxMessages} are allowed`);
    }
    return withToolNames(value.map((message, i) => messageOf(message, `${param}[${i}]`)));
  });
}

/** Templates want the name of the function in a message of a tool. Clients give it in the call. */
export function withToolNames(messages: readonly Message[]): Message[] {
  const names = new Map<JsonValue, JsonValue>();
  return messages.map((message) => {
    const { fields = {} } = message;
    for (const call of Array.isArray(fields.tool_calls) ? fields.tool_calls : []) {
      if (isObject(call) && isObject(call.function)) names.set(call.id!, call.function.name!);
    }
    const name = message.role === 'tool' ? names.get(fields.tool_call_id!) : undefined;
    return name === undefined ? message : { ...message, fields: { name, ...fields } };
  });
}

/** A message of the chat API. Throws ApiError of status 400. */
export function messageOf(value: JsonValue, param: string): Message {
  if (!isObject(value)) throw badValue(param, `${param} must be an object`);
  const { role, content, name, tool_calls: calls, tool_call_id: callId, ...others } = value;
  for (const [key, given] of Object.entries(others)) {
    const isEmpty = given === null || (Array.isArray(given) && given.length === 0);
    if (!isEmpty) throw unsupportedPart(param, `${JSON.stringify(key.slice(0, 60))} in a message`);
  }
  if (typeof role !== 'string') throw badValue(param, `${param} needs a role`);
  if (!Object.hasOwn(ROLES, role))
    throw unsupportedPart(param, `messages of the role ${JSON.stringify(role)}`);
  if (name !== undefined && name !== null && typeof name !== 'string') {
    throw badValue(param, `${param}.name must be a string`);
  }
  const fields: JsonObject = typeof name === 'string' ? { name } : {};
  if (calls !== undefined && calls !== null && !isEmptyList(calls)) {
    if (role !== 'assistant') throw badValue(param, `${param} has tool_calls and is not of the assistant`);
    fields.tool_calls = toolCallsOf(calls, `${param}.tool_calls`);
  }
  if (role === 'tool') {
    if (typeof callId !== 'string') throw badValue(param, `${param} of a tool needs a tool_call_id`);
    fields.tool_call_id = callId;
  } else if (callId !== undefined && callId !== null) {
    throw badValue(param, `${param} has a tool_call_id and is not of a tool`);
  }
  // An assistant that only calls functions says nothing.
  const text = content ?? (fields.tool_calls === undefined ? content : '');
  const said = contentOf(text, `${param}.content`);
  const hasFields = Object.keys(fields).length > 0;
  return { role: ROLES[role]!, content: said, ...(hasFields && { fields }) };
}

function isEmptyList(value: JsonValue): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** Calls of the conversation, with their arguments as objects: templates write those as JSON. */
function toolCallsOf(value: JsonValue, param: string): JsonValue {
  if (!Array.isArray(value)) throw badValue(param, `${param} must be a list`);
  if (value.length > MAX_TOOLS) throw badValue(param, `${param} has over ${MAX_TOOLS} entries`);
  return value.map((call, i) => {
    const place = `${param}[${i}]`;
    if (!isObject(call)) throw badValue(place, `${place} must be an object`);
    const { type = 'function', id, function: called } = call;
    if (type !== 'function') throw unsupportedPart(place, `calls of the type ${JSON.stringify(type)}`);
    if (!isObject(called) || typeof called.name !== 'string' || typeof called.arguments !== 'string') {
      throw badValue(place, `${place}.function needs a name and arguments, which are strings`);
    }
    const { name, arguments: text } = called;
    if (typeof id !== 'string') throw badValue(place, `${place} needs an id`);
    return { id, type, function: { name, arguments: argumentsOf(text) } };
  });
}

/** Arguments that a model wrote wrongly stay as they are. */
function argumentsOf(text: string): JsonValue {
  try {
    const value = JSON.parse(text) as JsonValue;
    return isObject(value) ? value : text;
  } catch {
    return text;
  }
}

function contentOf(content: JsonValue | undefined, param: string): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw badValue(param, `${param} must be a string or a list of text parts`);
  return content
    .map((part) => {
      if (!isObject(part)) throw badValue(param, `${param} must hold objects`);
      if (part.type !== 'text')
        throw unsupportedPart(param, `parts of the type ${JSON.stringify(part.type)}`);
      if (typeof part.text !== 'string') throw badValue(param, `${param} has a part without text`);
      return part.text;
    })
    .join('');
}

function unsupportedPart(param: string, what: string): ApiError {
  return new ApiError(400, 'unsupported_parameter', `this server does not support ${what}`, { param });
}

/** How the messages end, by the names that vLLM has. */
export function endingFields() {
  return {
    add_generation_prompt: booleanField('End messages with the beginning of an answer. Default true.'),
    continue_final_message: booleanField(
      'Leave the last message open, so that the model goes on with it. Needs add_generation_prompt to be false.',
    ),
  };
}

/** Throws ApiError of status 400 for an end that is both. */
export function promptEnding({
  add_generation_prompt: begins = true,
  continue_final_message: continues = false,
}: {
  add_generation_prompt?: boolean | undefined;
  continue_final_message?: boolean | undefined;
}): PromptEnding {
  if (!continues) return begins ? 'answer' : 'none';
  if (!begins) return 'continue';
  throw badValue(
    'continue_final_message',
    'continue_final_message and add_generation_prompt cannot both be true: set add_generation_prompt to false',
  );
}

/** Variables that a request has fields for. */
const RESERVED = ['messages', 'add_generation_prompt', 'continue_final_message', 'tools', 'documents'];

/** Variables of the model's own template, such as `enable_thinking`. They are data, and no code. */
function variablesField(): Field<JsonObject> {
  const description = "Variables of the model's chat template.";
  return customField({ type: 'object', description }, (value, param) => {
    if (!isObject(value)) throw badValue(param, `${param} must be an object`);
    for (const name of RESERVED) {
      if (Object.hasOwn(value, name)) throw badValue(param, `${param} may not set ${name}`);
    }
    return value;
  });
}
