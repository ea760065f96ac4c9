/** `athanor convert`. */
import { defineCommand } from './command.ts';
import { choice, inGroup, path } from './options.ts';

export const convert = defineCommand({
  description:
    'Writes the model of a folder or of a GGUF file, or an adapter of peft merged with its base model, as a new folder of Hugging Face.',
  options: inGroup('Run', {
    model: path('folder of the model or of an adapter of peft, or a GGUF file', { required: true }),
    base: path('folder of the base model of an adapter (default: the one that the adapter names)'),
    out: path('folder to write', { required: true }),
    dtype: choice('type of the written weights (default: each keeps its own)', ['f32', 'bf16']),
  }),
  example: 'convert --model run/adapter --out merged',
  async run(options) {
    const { convertModel } = await import('../checkpoint/convert/convert-model.ts');
    return convertModel(options.model, options);
  },
  render: ({ out, tensors, bytes, base }) =>
    `${out}: ${tensors} tensors, ${(bytes / 2 ** 20).toFixed(1)} MiB${base === null ? '' : `, merged with ${base}`}`,
});
