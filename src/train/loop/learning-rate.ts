/**
 * The peak learning rate that suits a model of this many parameters: the GPT-3 table (Brown et al.,
 * 2020, table 2.1: 6e-4 at 125M, 3e-4 at 350M, 2e-4 at 1.3B) as a power law, capped at what small
 * models with a tied head bear: at 3e-3 a 4M model's loss jumped within the warm-up.
 */
export function defaultLearningRate(parameters: number): number {
  return Math.min(1.5e-3, 6e-4 * (125e6 / parameters) ** 0.45);
}

/**
 * Of the peak of pretraining. Fine-tuning is to keep what is learned already; comparisons say less
 * than its examples; reinforcement learning moves a trained model by little: InstructGPT's rates
 * are some 1 / 30.
 */
const STAGE_SHARES = { sft: 1 / 3, reward: 1 / 5, rl: 1 / 30 };

/**
 * Adapters take about ten times the rate of all weights, whatever the model's size (Schulman et
 * al., "LoRA Without Regret", 2025); docs/fine-tuning.md has what was measured here.
 */
const ADAPTER_RATES = 10;

/** The peak of a stage after pretraining; `loraRank` 0 trains all weights. */
export function stageLearningRate(
  stage: keyof typeof STAGE_SHARES,
  parameters: number,
  loraRank: number,
): number {
  return defaultLearningRate(parameters) * STAGE_SHARES[stage] * (loraRank > 0 ? ADAPTER_RATES : 1);
}
