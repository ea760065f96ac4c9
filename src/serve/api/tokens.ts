/** POST /tokenize and /detokenize, and GET /tokenizer_info, as lm-evaluation-harness uses them. */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import { badValue } from '../protocol/api-error.ts';
import type { ModelInfo, PromptInput } from '../protocol/messages.ts';
import { endingFields, messagesField, promptEnding } from './chat-request.ts';
import { tokenIds } from './completion-request.ts';
import { customField, ignoredField, readFields, stringField } from './fields.ts';
import type { RequestLimits } from './limits.ts';

export function tokenizeFields(limits: RequestLimits) {
  return {
    model: stringField('Name of the model.'),
    prompt: stringField('The text. Text that spells a control token stays text.'),
    content: stringField('The text, by the name that llama.cpp gives it.'),
    messages: messagesField(limits),
    ...endingFields(),
    add_special_tokens: ignoredField('A text gets no tokens besides its own.'),
  };
}

/** Throws ApiError of status 400. */
export function readTokenize(limits: RequestLimits, body: JsonValue): PromptInput {
  const values = readFields(tokenizeFields(limits), body);
  const { prompt, content, messages } = values;
  const given = [prompt, content, messages].filter((one) => one !== undefined);
  if (given.length !== 1) throw badValue('prompt', 'give one of prompt, content and messages');
  if (messages === undefined) return { kind: 'plain', text: prompt ?? content ?? '' };
  return { kind: 'chat', messages, variables: {}, ending: promptEnding(values) };
}

export function tokenizeAnswer(tokens: Int32Array, { contextLength }: ModelInfo): JsonObject {
  return { count: tokens.length, max_model_len: contextLength, tokens: [...tokens] };
}

export const detokenizeFields = {
  model: stringField('Name of the model.'),
  tokens: customField<number[]>(
    { type: 'array', items: { type: 'integer' }, description: 'The token ids.' },
    tokenIds,
  ),
};

/** Throws ApiError of status 400. */
export function readDetokenize(body: JsonValue): number[] {
  const { tokens } = readFields(detokenizeFields, body);
  if (tokens === undefined) throw badValue('tokens', 'tokens is missing', 'missing_parameter');
  return tokens;
}

/** vLLM calls the text `prompt`, llama.cpp `content`. */
export function detokenizeAnswer(text: string): JsonObject {
  return { prompt: text, content: text };
}

export function tokenizerInfo(model: ModelInfo): JsonObject {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    vocab_size: model.vocabSize,
    model_max_length: model.contextLength,
    eos_token: model.eosToken ?? null,
    bos_token: model.bosToken ?? null,
    pad_token: model.padToken ?? null,
    eos_token_id: model.eosId ?? null,
    bos_token_id: model.bosId ?? null,
    pad_token_id: model.padId ?? null,
    chat_template: model.chatTemplate ?? null,
  };
}
