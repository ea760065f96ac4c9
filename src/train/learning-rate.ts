/**
 * The peak learning rate that suits a model of this many parameters: the GPT-3 table (Brown et al., 2020, table 2.1:
 * 6e-4 at 125M, 3e-4 at 350M, 2e-4 at 1.3B) as a power law, capped at what small
 * models with a tied head bear: at 3e-3 a 4M model's loss jumped within the warm-up.
 */
export function defaultLearningRate(parameters: number): number {
  return Math.min(1.5e-3, 6e-4 * (125e6 / parameters) ** 0.45);
}
