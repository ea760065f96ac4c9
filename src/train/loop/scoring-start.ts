/** The model that a reward model or a classifier starts from. */
import { isScoringModel, loadScoringModel, scoringModelFrom } from '../../checkpoint/gpt-folder.ts';
import { ScoringModel } from '../../nn/scoring-model.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { type ChatModelOptions, loadChatModel } from './chat-model.ts';

/**
 * Loads a model with one score to continue; or puts a new head on a language model's trunk, and
 * gives the trunk rows for new control tokens of the tokenizer. Throws as loadModel.
 */
export function scoringStart(folder: string, tokenizer: Tokenizer, options: ChatModelOptions): ScoringModel {
  if (isScoringModel(folder)) return loadScoringModel(folder, options);
  const direct = scoringModelFrom(folder, options);
  if (tokenizer.vocabSize <= direct.config.vocabSize) return direct;
  direct.dispose();
  const grown = loadChatModel(folder, tokenizer, options);
  const model = new ScoringModel(grown.config, options);
  const parameters = new Map(model.parameters());
  for (const [name, value] of grown.parameters()) parameters.get(name)?.writeFloats(value.toFloats());
  const frozen = model.frozenWeights();
  for (const [name, weight] of grown.frozenWeights()) frozen.get(name)!.copyFrom(weight);
  grown.dispose();
  return model;
}
