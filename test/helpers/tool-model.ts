/** Tiny models of random weights whose chat templates know tools, in each format of calls. */
import { saveModel } from '../../src/checkpoint/gpt-folder.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { chatTokenizer } from './chat-model.ts';

const TURN = `{{- '<|' + message.role + '|>' + message.content + '<|end|>' -}}`;
const PROMPT = `{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}`;

/** Each with its special tokens, which a call begins or ends with. */
export const TOOL_TEMPLATES = {
  hermes: {
    tokens: ['<tool_call>', '</tool_call>'],
    template: `{%- if tools -%}{{- '<|system|>' -}}{%- for tool in tools -%}{{- tool | tojson -}}{%- endfor -%}{{- '<|end|>' -}}{%- endif -%}
{%- for message in messages -%}
{%- if message.tool_calls -%}
{{- '<|assistant|>' + message.content -}}
{%- for call in message.tool_calls -%}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}\\n</tool_call>' -}}
{%- endfor -%}
{{- '<|end|>' -}}
{%- elif message.role == 'tool' -%}
{{- '<|user|>' + message.name + ' says ' + message.content + '<|end|>' -}}
{%- else -%}${TURN}{%- endif -%}
{%- endfor -%}${PROMPT}`,
  },
  mistral: {
    tokens: ['[TOOL_CALLS]'],
    template: `{%- for message in messages -%}
{%- if message.tool_calls -%}
{{- '[TOOL_CALLS] ' + (message.tool_calls | tojson) + '<|end|>' -}}
{%- else -%}{%- if loop.last and tools -%}{{- tools | tojson -}}{%- endif -%}${TURN}{%- endif -%}
{%- endfor -%}${PROMPT}`,
  },
  llama: {
    tokens: ['<|python_tag|>'],
    template: `{%- for message in messages -%}
{%- if message.tool_calls -%}
{{- '<|assistant|>{"name": "' + message.tool_calls[0].function.name + '", "parameters": ' + (message.tool_calls[0].function.arguments | tojson) + '}<|end|>' -}}
{%- elif message.role == 'tool' or message.role == 'ipython' -%}
{{- '<|user|>' + message.content + '<|end|>' -}}
{%- else -%}{%- if tools and loop.first -%}{{- tools | tojson -}}{%- endif -%}${TURN}{%- endif -%}
{%- endfor -%}${PROMPT}`,
  },
  'mistral-args': {
    tokens: ['[TOOL_CALLS]', '[ARGS]'],
    template: `{%- for message in messages -%}
{%- if message.tool_calls -%}
{%- for call in message.tool_calls -%}
{{- '[TOOL_CALLS]' + call.function.name + '[ARGS]' + (call.function.arguments | tojson) -}}
{%- endfor -%}{{- '<|end|>' -}}
{%- else -%}{%- if loop.last and tools -%}{{- tools | tojson -}}{%- endif -%}${TURN}{%- endif -%}
{%- endfor -%}${PROMPT}`,
  },
  'mistral-call-id': {
    tokens: ['[TOOL_CALLS]', '[CALL_ID]', '[ARGS]'],
    template: `{%- for message in messages -%}
{%- if message.tool_calls -%}
{%- for call in message.tool_calls -%}
{{- '[TOOL_CALLS]' + call.function.name + '[CALL_ID]' + call.id + '[ARGS]' + (call.function.arguments | tojson) -}}
{%- endfor -%}{{- '<|end|>' -}}
{%- else -%}{%- if loop.last and tools -%}{{- tools | tojson -}}{%- endif -%}${TURN}{%- endif -%}
{%- endfor -%}${PROMPT}`,
  },
  pythonic: {
    tokens: ['<|python_start|>'],
    template: `{%- if tools -%}{{- '<|system|>Write [func_name1(params_name1=params_value1), func_name2(params)] of ' + (tools | tojson) + '<|end|>' -}}{%- endif -%}
{%- for message in messages -%}
{%- if message.tool_calls -%}
{{- '<|assistant|>[' -}}
{%- for call in message.tool_calls -%}
{{- call.function.name + '(' -}}
{%- for key, value in call.function.arguments | items -%}{{- key + '=' + (value | tojson) -}}{%- if not loop.last -%}, {% endif -%}{%- endfor -%}
{{- ')' -}}{%- if not loop.last -%}, {% endif -%}
{%- endfor -%}{{- ']<|end|>' -}}
{%- else -%}${TURN}{%- endif -%}
{%- endfor -%}${PROMPT}`,
  },
  olmo: {
    tokens: ['<function_calls>', '</function_calls>'],
    template: `{%- if tools -%}{{- '<|system|>' + (tools | tojson) + '<|end|>' -}}{%- endif -%}
{%- for message in messages -%}
{%- if message.tool_calls -%}
{{- '<|assistant|><function_calls>' -}}
{%- for call in message.tool_calls -%}
{{- call.function.name + '(' -}}
{%- for key, value in call.function.arguments | items -%}{{- key + '=' + (value | tojson) -}}{%- if not loop.last -%}, {% endif -%}{%- endfor -%}
{{- ')' -}}
{%- endfor -%}{{- '</function_calls><|end|>' -}}
{%- else -%}${TURN}{%- endif -%}
{%- endfor -%}${PROMPT}`,
  },
  'qwen-coder': {
    tokens: ['<tool_call>', '</tool_call>'],
    template: `{%- if tools -%}{{- '<|system|>' + (tools | tojson) + '<|end|>' -}}{%- endif -%}
{%- for message in messages -%}
{%- if message.tool_calls -%}
{{- '<|assistant|>' -}}
{%- for call in message.tool_calls -%}
{{- '<tool_call>\\n<function=' + call.function.name + '>\\n' -}}
{%- for key, value in call.function.arguments | items -%}{{- '<parameter=' + key + '>\\n' + (value | string) + '\\n</parameter>\\n' -}}{%- endfor -%}
{{- '</function>\\n</tool_call>' -}}
{%- endfor -%}{{- '<|end|>' -}}
{%- else -%}${TURN}{%- endif -%}
{%- endfor -%}${PROMPT}`,
  },
} as const;

/** How a template shows a call of `get_weather`, as a text of the history. */
export const SHOWN_CALLS: Readonly<Record<ToolFamily, RegExp>> = {
  hermes: /"name": "get_weather", "arguments": \{"city": "/,
  mistral: /"name": "get_weather", /,
  llama: /"name": "get_weather", "parameters": \{"city": "/,
  'mistral-args': /\[TOOL_CALLS\]get_weather\[ARGS\]\{"city": "/,
  'mistral-call-id': /\[TOOL_CALLS\]get_weather\[CALL_ID\]\w{9}\[ARGS\]\{"city": "/,
  pythonic: /\[get_weather\(city="/,
  olmo: /<function_calls>get_weather\(city="/,
  'qwen-coder': /<function=get_weather>\n<parameter=city>\n/,
};

export type ToolFamily = keyof typeof TOOL_TEMPLATES;

/** Writes the folder of a model. */
export async function writeToolModel(folder: string, family: ToolFamily): Promise<void> {
  const { tokens, template } = TOOL_TEMPLATES[family];
  const tokenizer = (await chatTokenizer()).withSpecialTokens(tokens);
  tokenizer.chatTemplate = template;
  const config = presetConfig('tiny', { vocabSize: tokenizer.vocabSize, contextLength: 1536 });
  const model = new Gpt(config, { seed: 7 });
  tokenizer.save(folder);
  const eos_token_id = [tokenizer.specialTokens.get('<|end|>')!];
  await saveModel(folder, model, { tokenizer: folder, generationConfig: { eos_token_id } });
  model.dispose();
}
