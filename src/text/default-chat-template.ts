/**
 * The chat template for a model that has none. The text of a message stands directly between
 * the control token of its role and the end token, so that the boundaries of turns are
 * boundaries of tokens. The generation blocks tell transformers and TRL which part of the text is
 * the assistant's.
 */

/** The control tokens of the default template. */
export const CHAT_TOKENS = ['<|system|>', '<|user|>', '<|assistant|>', '<|end|>'] as const;

/** Jinja source of the default template, with the roles system, user and assistant. */
export const DEFAULT_CHAT_TEMPLATE = `{%- for message in messages -%}
{%- if message['role'] not in ['system', 'user', 'assistant'] -%}
{{- raise_exception('unknown role ' + message['role'] + '; the template has system, user and assistant') -}}
{%- endif -%}
{{- '<|' + message['role'] + '|>' -}}
{%- if message['role'] == 'assistant' -%}
{%- generation -%}
{{- message['content'] + '<|end|>' -}}
{%- endgeneration -%}
{%- else -%}
{{- message['content'] + '<|end|>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>' -}}
{%- endif -%}
`;
