/**
 * The template that a model gets when it has none. A role's control token is directly followed by what was said, and
 * what was said by the end token, so that the boundaries of turns are boundaries of tokens. The
 * generation blocks tell transformers and TRL which part of the text is the assistant's.
 */

export const CHAT_TOKENS = ['<|system|>', '<|user|>', '<|assistant|>', '<|end|>'] as const;

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
