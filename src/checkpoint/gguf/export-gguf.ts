/** Writes a model folder as one GGUF file, which llama.cpp and what stands on it can open. */
import { statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { checkCounts } from '../../base/check-count.ts';
import { AthanorError } from '../../base/errors.ts';
import { isSameFile } from '../../base/files/same-file.ts';
import { withDefaults } from '../../base/with-defaults.ts';
import type { ModelConfig } from '../../nn/config.ts';
import { ChatTemplate } from '../../text/chat-template.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import { ModelFolder } from '../load-model.ts';
import { stopTokensOf, textEnds } from '../text-ends.ts';
import { writeGguf } from './gguf-file.ts';
import { modelMetadata, modelTensors } from './gguf-model.ts';
import { loadableName, tokenizerMetadata } from './gguf-tokenizer.ts';
import { type GgufType, ggufTypes } from './gguf-types.ts';

export interface ExportGgufOptions {
  /**
   * The type of the weights. Vectors are f32 in any file. Default `f16`. Quantized types are
   * `q8_0` and `q4_0`, of 8.5 and 4.5 bits per weight, and `q4_k_m`, of 4.5 to 6.6.
   */
  type?: GgufType;
  /** The name of the model in the file. Default: that of its folder. */
  name?: string;
  /**
   * The longest text, in tokens, that the file says the model is for. Default: that of the model.
   * A model with sliding windows that llama.cpp does not have can be written up to their width.
   */
  context?: number;
}

/** A GGUF file on disk. */
export interface ExportedGguf {
  path: string;
  bytes: number;
  sha256: string;
  tensors: number;
  type: GgufType;
  /** Where llama.cpp cuts some texts into other tokens than the model's tokenizer. */
  notes: string[];
}

/**
 * Writes a language model with its tokenizer and chat template. Memory holds one tensor at a time.
 * Throws ERR_FORMAT for a model or a tokenizer that llama.cpp has no name for, ERR_MISMATCH for a
 * model without a language head, ERR_ARGUMENT where the file would replace one of the model or is a
 * folder, the errors of opening a model folder, and those of writing.
 */
export async function exportGguf(
  folder: string,
  path: string,
  options: ExportGgufOptions = {},
): Promise<ExportedGguf> {
  const { type, name } = withDefaults({ type: 'f16' as GgufType, name: basename(resolve(folder)) }, options);
  if (!ggufTypes.includes(type)) {
    throw new AthanorError('ERR_ARGUMENT', `there is no type ${type}`, `the types: ${ggufTypes.join(', ')}`);
  }
  refuseModelFile(folder, path);
  const model = ModelFolder.open(folder);
  try {
    const { config: whole, head } = model.description;
    if (head !== 'language-model') {
      throw new AthanorError('ERR_MISMATCH', `${folder} holds a model that scores, not a language model`);
    }
    const config = withContext(whole, options.context);
    const tokenizer = Tokenizer.load(folder);
    const words = tokenizerMetadata(tokenizer, config.vocabSize, endsOf(folder, tokenizer));
    const metadata = [...modelMetadata(config, loadableName(name, tokenizer), type), ...words.metadata];
    const tensors = modelTensors(model, config, type);
    const { bytes, sha256 } = await writeGguf(path, metadata, tensors);
    return { path, bytes, sha256, tensors: tensors.length, type, notes: words.notes };
  } finally {
    model.close();
  }
}

function withContext(config: ModelConfig, context: number | undefined): ModelConfig {
  if (context === undefined) return config;
  checkCounts({ context });
  const { contextLength } = config;
  if (context > contextLength) {
    const problem = `\`context\` is ${context}, and the model has a context of ${contextLength} tokens`;
    throw new AthanorError('ERR_ARGUMENT', problem, `give at most ${contextLength}`);
  }
  return { ...config, contextLength: context };
}

/** A GGUF file may be replaced in the folder of the model, the files of the model may not. */
function refuseModelFile(folder: string, path: string): void {
  const file = statSync(path, { throwIfNoEntry: false });
  if (file?.isDirectory()) {
    throw new AthanorError('ERR_ARGUMENT', `${path} is a folder, not a file`, 'name a file');
  }
  if (!file || !isSameFile(dirname(resolve(path)), folder) || path.endsWith('.gguf')) return;
  const problem = `${path} is a file of the model, which the export would replace`;
  throw new AthanorError('ERR_ARGUMENT', problem, 'name a file that ends in .gguf');
}

function endsOf(folder: string, tokenizer: Tokenizer) {
  const { bos, eos, pad } = textEnds(folder, tokenizer);
  const template = tokenizer.chatTemplate === undefined ? undefined : ChatTemplate.of(tokenizer);
  const [end] = eos?.ids ?? [];
  const answerEnds = template ? stopTokensOf(folder, tokenizer, template) : [];
  const turn = answerEnds.find((id) => id !== end) ?? end;
  return { begin: bos?.ids[0], end, turn, pad: pad?.ids[0] };
}
