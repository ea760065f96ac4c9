/** Functions as tools: how a request gives them, and what an answer may then be. */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { Rule } from '../../generate/grammar/rule.ts';
import type { Message } from '../../text/chat-template.ts';
import type { ToolFormat } from '../../text/tool-calls/format.ts';
import { TOOL_FORMATS } from '../../text/tool-calls/formats.ts';
import { ApiError, badValue } from '../protocol/api-error.ts';
import type { RuleCheck } from '../protocol/rule-messages.ts';
import type { AnswerForm } from './answer-form.ts';
import { callRule, exactArguments, looseSchema, NO_PARAMETERS } from './call-rules.ts';
import { customField, type Field, isObject } from './fields.ts';
import { MAX_TOOLS, NAME_PATTERN } from './limits.ts';

/** A function of the client that the model may call. */
export interface ToolFunction {
  name: string;
  description: string | undefined;
  parameters: JsonObject | undefined;
  isStrict: boolean;
  /** The field of its parameters. */
  param: string;
}

/** `name`: a call of that function. */
export type ToolChoice = 'none' | 'auto' | 'required' | { readonly name: string };

export interface ToolRequest {
  functions: readonly ToolFunction[];
  choice: ToolChoice;
  /** Whether an answer may have several calls. */
  isParallel: boolean;
}

/** What tools change in a request. */
export interface ToolPlan {
  /** The `tools` of the chat template; undefined: none. */
  templateTools: JsonValue | undefined;
  /** How calls are found in the answer; undefined: they are not. */
  calls: ToolCalls | undefined;
  /** What the answer may be; undefined: anything. */
  rule: Rule | undefined;
  /** What is to be checked before the engine has the rule. */
  checks: readonly RuleCheck[];
  textTokens: readonly string[];
}

export interface ToolCalls {
  format: ToolFormat;
  names: readonly string[];
  most: number;
  /** JSON Schemas of arguments by function. */
  parameters: ReadonlyMap<string, JsonObject>;
}

/** A function as the chat API gives it, inside of an object. */
export function toolsField(): Field<ToolFunction[]> {
  const schema: JsonObject = {
    type: 'array',
    description: 'Functions that the model may call, if its chat template knows tools.',
    maxItems: MAX_TOOLS,
    items: { type: 'object', required: ['type', 'function'] },
  };
  return customField(schema, (value, param) => {
    const list = listOf(value, param);
    return checkedNames(
      list.map((tool, i) => {
        const place = `${param}[${i}]`;
        if (!isObject(tool)) throw badValue(place, `${place} must be an object`);
        if (tool.type !== 'function') throw unsupportedType(place, tool.type);
        if (!isObject(tool.function)) throw badValue(place, `${place}.function must be an object`);
        return functionOf(tool.function, `${place}.function`, []);
      }),
      param,
    );
  });
}

/** A function as the Responses API gives it. Tools that OpenAI runs itself are left out. */
export function responseToolsField(): Field<ToolFunction[]> {
  const description =
    'Functions that the model may call, if its chat template knows tools. Types of tools that are hosted are ignored.';
  const schema: JsonObject = {
    type: 'array',
    description,
    maxItems: MAX_TOOLS,
    items: { type: 'object', required: ['type'] },
  };
  return customField(schema, (value, param) => {
    const list = listOf(value, param);
    const functions = list.flatMap((tool, i) => {
      const place = `${param}[${i}]`;
      if (!isObject(tool) || typeof tool.type !== 'string') {
        throw badValue(param, `${param} must hold objects with a type`);
      }
      if (tool.type === 'custom') throw unsupportedType(param, tool.type);
      return tool.type === 'function' ? [functionOf(tool, place, ['type'])] : [];
    });
    return checkedNames(functions, param);
  });
}

function listOf(value: JsonValue, param: string): JsonValue[] {
  if (!Array.isArray(value)) throw badValue(param, `${param} must be a list`);
  if (value.length <= MAX_TOOLS) return value;
  throw badValue(param, `${param} has ${value.length} entries; at most ${MAX_TOOLS} are allowed`);
}

function unsupportedType(param: string, type: JsonValue | undefined): ApiError {
  const shown = JSON.stringify(type ?? null).slice(0, 60);
  return new ApiError(
    400,
    'unsupported_parameter',
    `this server does not support tools of the type ${shown}`,
    {
      param,
    },
  );
}

function functionOf(value: JsonObject, param: string, others: readonly string[]): ToolFunction {
  const known = [...others, 'name', 'description', 'parameters', 'strict'];
  const stray = Object.keys(value).find((key) => !known.includes(key));
  if (stray !== undefined) {
    const shown = JSON.stringify(stray.slice(0, 60));
    throw badValue(param, `${param} has no field ${shown}`, 'unknown_parameter');
  }
  const { name, description = null, parameters = null, strict = null } = value;
  if (typeof name !== 'string' || !NAME_PATTERN.test(name)) {
    throw badValue(`${param}.name`, `${param}.name must be 1 to 64 letters, digits, _ and -`);
  }
  if (description !== null && typeof description !== 'string') {
    throw badValue(`${param}.description`, `${param}.description must be a string`);
  }
  if (parameters !== null && !isObject(parameters)) {
    throw badValue(`${param}.parameters`, `${param}.parameters must be a JSON Schema`);
  }
  if (strict !== null && typeof strict !== 'boolean') {
    throw badValue(`${param}.strict`, `${param}.strict must be true or false`);
  }
  return {
    name,
    description: description ?? undefined,
    parameters: parameters ?? undefined,
    isStrict: strict === true,
    param: `${param}.parameters`,
  };
}

function checkedNames(functions: ToolFunction[], param: string): ToolFunction[] {
  const names = new Set(functions.map(({ name }) => name));
  if (names.size === functions.length) return functions;
  throw badValue(param, `${param} has two functions of the same name`);
}

/** The choice of chat: the name of a function is in an object of its own. */
export function toolChoiceField(): Field<ToolChoice> {
  return choiceField((value) => (isObject(value.function) ? value.function.name : undefined));
}

/** The choice of responses. */
export function responseToolChoiceField(): Field<ToolChoice> {
  return choiceField(({ name }) => name);
}

function choiceField(nameOf: (value: JsonObject) => JsonValue | undefined): Field<ToolChoice> {
  const words = ['none', 'auto', 'required'] as const;
  const description =
    'Whether the model may (auto), must (required) or must not (none) call a function, or which one.';
  return customField(
    { description, anyOf: [{ enum: [...words] }, { type: 'object', required: ['type'] }] },
    (value, param) => {
      const word = words.find((one) => one === value);
      if (word !== undefined) return word;
      if (!isObject(value)) {
        throw badValue(param, `${param} must be ${words.join(', ')}, or an object that names a function`);
      }
      if (value.type !== 'function') {
        const shown = JSON.stringify(value.type ?? null).slice(0, 60);
        throw new ApiError(
          400,
          'unsupported_parameter',
          `this server does not support choices of the type ${shown}`,
          {
            param,
          },
        );
      }
      const name = nameOf(value);
      if (typeof name === 'string') return { name };
      throw badValue(param, `${param} must name a function`);
    },
  );
}

/** Throws ApiError of status 400 for a choice that does not go with the functions. */
export function toolRequest(
  functions: readonly ToolFunction[] = [],
  choice: ToolChoice | undefined,
  isParallel: boolean | undefined,
): ToolRequest | undefined {
  const needsTools = typeof choice === 'object' || choice === 'required';
  if (functions.length === 0) {
    if (needsTools) throw badValue('tool_choice', 'tool_choice asks for a call, and there are no tools');
    return undefined;
  }
  if (typeof choice === 'object' && !functions.some(({ name }) => name === choice.name)) {
    const shown = JSON.stringify(choice.name.slice(0, 64));
    throw badValue('tool_choice', `tool_choice names the function ${shown}, which is not among the tools`);
  }
  return { functions, choice: choice ?? 'auto', isParallel: isParallel ?? true };
}

/**
 * What a request does with its tools and the form of its answer. Throws ApiError of status 400 when
 * the model's chat template does not know tools, or calls have a form that is not known.
 */
export function toolPlan(
  tools: ToolRequest | undefined,
  form: AnswerForm | undefined,
  use: string,
  messages: readonly Message[],
  placeOf: (message: number) => string,
): ToolPlan {
  checkHistory(messages, use, placeOf);
  const strict = (tools?.functions ?? []).filter(({ isStrict }) => isStrict);
  const checks = [
    ...strict.map((tool) => ({ rule: exactArguments(tool), param: tool.param })),
    ...(form?.check ? [form.check] : []),
  ];
  const none: ToolPlan = {
    ...{ templateTools: undefined, calls: undefined, rule: form?.rule, checks, textTokens: [] },
  };
  if (!tools || tools.choice === 'none') return none;
  const format = TOOL_FORMATS.find(({ name }) => name === use);
  if (!format) {
    const reason =
      use === 'none'
        ? "the model's chat template does not know tools"
        : "the model's chat template has tool calls of a form that is not known";
    throw new ApiError(400, 'unsupported_parameter', `this server does not support tools: ${reason}`, {
      param: 'tools',
    });
  }
  const { choice, functions, isParallel } = tools;
  for (const tool of strict) {
    const reason = looseSchema(format.call, tool);
    if (reason !== undefined) throw badValue(tool.param, `${tool.param}: ${reason}`, 'invalid_schema');
  }
  const called =
    typeof choice === 'object' ? functions.filter(({ name }) => name === choice.name) : functions;
  const isSingle = !isParallel || typeof choice === 'object';
  const rule = callsRule(format, called, choice, isSingle, form?.rule);
  return {
    templateTools: functions.map(({ name, description = '', parameters = NO_PARAMETERS }) => ({
      type: 'function',
      function: { name, description, parameters },
    })),
    calls: {
      format,
      names: called.map(({ name }) => name),
      parameters: new Map(called.map(({ name, parameters = NO_PARAMETERS }) => [name, parameters])),
      most: isSingle ? 1 : Number.POSITIVE_INFINITY,
    },
    rule,
    checks: rule ? [...checks, { rule, param: 'tools' }] : checks,
    textTokens: format.textTokens,
  };
}

/** A template that does not know calls would leave them out of the conversation. */
function checkHistory(messages: readonly Message[], use: string, placeOf: (message: number) => string): void {
  const isOfTools = ({ role, fields }: Message) => role === 'tool' || fields?.tool_calls !== undefined;
  const stray = use === 'none' ? messages.findIndex(isOfTools) : -1;
  if (stray < 0) return;
  const problem = "the model's chat template does not know tools, and so no message with calls or of a tool";
  throw new ApiError(400, 'unsupported_parameter', problem, { param: placeOf(stray) });
}

/** Only what must be held to a rule is: a free answer is what the model makes of it. */
function callsRule(
  format: ToolFormat,
  functions: readonly ToolFunction[],
  choice: ToolChoice,
  isSingle: boolean,
  form: Rule | undefined,
): Rule | undefined {
  const { begin, between, end, marker } = format;
  const bodies: Rule = { kind: 'any', items: functions.map((tool) => callRule(format.call, tool)) };
  const calls: Rule =
    isSingle || between === undefined ? bodies : { kind: 'list', item: bodies, separator: between };
  const callsAfter = (text: string): Rule => ({
    kind: 'all',
    items: [{ kind: 'text', text }, calls, { kind: 'text', text: end }],
  });
  if (choice !== 'auto') return callsAfter(begin);
  if (form) return { kind: 'any', items: [form, callsAfter(begin)] };
  if (!isSingle && !functions.some(({ isStrict }) => isStrict)) return undefined;
  if (marker !== undefined) return { kind: 'free', marker, after: callsAfter(begin.slice(marker.length)) };
  const first = begin === '' ? '{' : begin[0]!;
  return { kind: 'any', items: [{ kind: 'not-beginning', character: first }, callsAfter(begin)] };
}
