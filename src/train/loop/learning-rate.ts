/**
 * A peak learning rate for a model with this many parameters. It follows the GPT-3 table (Brown et
 * al., 2020, table 2.1: 6e-4 at 125M, 3e-4 at 350M, 2e-4 at 1.3B) as a power law. The cap is for
 * small models with a tied head: at 3e-3 the loss of a 4M model jumped within the warm-up.
 */
export function defaultLearningRate(parameters: number): number {
  return Math.min(1.5e-3, 6e-4 * (125e6 / parameters) ** 0.45);
}

/**
 * Shares of the pretraining peak. Fine-tuning must keep what the model has learned. A comparison
 * says less than an instruction. Reinforcement learning changes a trained model only a little:
 * InstructGPT's rates are about 1 / 30.
 */
const STAGE_SHARES = { sft: 1 / 3, reward: 1 / 5, rl: 1 / 30 };

/**
 * Adapters take about ten times the rate of all weights, for models of any size (Schulman et al.,
 * "LoRA Without Regret", 2025). docs/fine-tuning.md has our measurements.
 */
const ADAPTER_RATES = 10;

/** The peak learning rate of a stage after pretraining; `loraRank` 0 trains all weights. */
export function stageLearningRate(
  stage: keyof typeof STAGE_SHARES,
  parameters: number,
  loraRank: number,
): number {
  return defaultLearningRate(parameters) * STAGE_SHARES[stage] * (loraRank > 0 ? ADAPTER_RATES : 1);
}
