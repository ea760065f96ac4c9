/**
 * Files for a run of PPO or GRPO: an assistant, a reward model with the same tokens, prompts
 * and pretraining text.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/base/package-root.ts';
import { saveScoringModel } from '../../src/checkpoint/gpt-folder.ts';
import { prepareData } from '../../src/data/shards/prepare.ts';
import type { ModelConfig } from '../../src/nn/config.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { ScoringModel } from '../../src/nn/scoring-model.ts';
import { chatTokenizer, writeChatModel } from './chat-model.ts';
import { jsonl } from './stages.ts';

export interface RlModels {
  model: string;
  reward: string;
  /** Prompts of unequal length. */
  data: string;
  /** Token shards. */
  text: string;
}

/** @param overrides of the tiny shape */
export async function writeRlModels(root: string, overrides: Partial<ModelConfig> = {}): Promise<RlModels> {
  const shape = { contextLength: 64, initializerRange: 0.2, ...overrides };
  const [model, reward, text] = ['model', 'reward', 'shards'].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  (await writeChatModel(model, shape)).dispose();
  const tokenizer = await chatTokenizer();
  const scorer = new ScoringModel(presetConfig('tiny', { vocabSize: tokenizer.vocabSize, ...shape }), {
    seed: 9,
  });
  tokenizer.save(reward);
  await saveScoringModel(reward, scorer, { tokenizer: reward });
  scorer.dispose();
  const words = 'name a colour blue red then be brief another one hello'.split(' ');
  const prompts = Array.from({ length: 24 }, (_, i) => ({
    prompt: `${words.slice(i % 7, (i % 7) + 1 + (i % 4)).join(' ')} ${i}?`,
    wanted: words[i % words.length],
  }));
  const data = jsonl(root, 'prompts.jsonl', prompts);
  const readme = readFileSync(join(packageRoot, 'node_modules/typescript/README.md'), 'utf8');
  const corpus = jsonl(
    root,
    'corpus.jsonl',
    readme.split(/\n(?=#)/).map((part) => ({ text: part })),
  );
  await prepareData({
    sources: [corpus],
    out: text,
    tokenizer: model,
    vocabSize: 0,
    validationSplit: 0.1,
    minChars: 1,
    onBadLine: 'skip',
  });
  return { model, reward, data, text };
}
