/** A folder with a tiny model of random weights and a chat template, as `athanor sft` writes it. */
import { saveModel } from '../../src/checkpoint/gpt-folder.ts';
import type { ModelConfig } from '../../src/nn/config.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { CHAT_TOKENS, DEFAULT_CHAT_TEMPLATE } from '../../src/text/default-chat-template.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';

/** Byte tokens, a few merges, the control tokens and the default template. */
export async function chatTokenizer(template = DEFAULT_CHAT_TEMPLATE): Promise<Tokenizer> {
  const trained = await Tokenizer.train(
    ['Name a colour. Blue. Red, then. Be brief. Another one? Hello! '.repeat(20)],
    {
      vocabSize: 320,
      specialTokens: ['<|endoftext|>'],
    },
  );
  const tokenizer = trained.withSpecialTokens(CHAT_TOKENS);
  tokenizer.chatTemplate = template;
  return tokenizer;
}

/** Writes the folder and returns its model. */
export async function writeChatModel(folder: string, shape: Partial<ModelConfig> = {}): Promise<Gpt> {
  const tokenizer = await chatTokenizer();
  const model = new Gpt(presetConfig('tiny', { vocabSize: tokenizer.vocabSize, ...shape }), { seed: 7 });
  tokenizer.save(folder);
  await saveModel(folder, model, {
    tokenizer: folder,
    generationConfig: { eos_token_id: [tokenizer.specialTokens.get('<|end|>')!] },
  });
  return model;
}
