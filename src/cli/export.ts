/** `athanor export`. */
import { defineCommand } from './command.ts';
import { choice, count, inGroup, model, path, text } from './options.ts';

const types = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k_m'] as const;

export const exportModel = defineCommand({
  description: 'Writes a model folder, with its tokenizer and chat template, as a file for llama.cpp.',
  options: inGroup('Run', {
    model: model('folder of the model', { required: true }),
    gguf: path('GGUF file to write', { required: true }),
    type: choice('type of the weights; q8_0, q4_0 and q4_k_m are quantized', types, { default: 'f16' }),
    name: text('name of the model in the file (default: that of the folder)'),
    context: count('longest text in tokens that the file is for (default: that of the model)'),
  }),
  example: 'export --model assistant --gguf assistant.gguf --type q8_0',
  async run({ model, gguf, ...options }) {
    const { exportGguf } = await import('../checkpoint/gguf/export-gguf.ts');
    return { ...(await exportGguf(model, gguf, options)) };
  },
  render: ({ path: file, bytes, tensors, type, notes }) =>
    [`${file}: ${tensors} tensors, ${type}, ${(bytes / 2 ** 20).toFixed(1)} MiB`, ...notes].join('\n'),
});
