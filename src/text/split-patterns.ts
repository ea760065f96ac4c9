/** The regular expressions of the split patterns as files write them; the engine has each as a state machine. */
import type { SplitPattern } from './vocabulary.ts';

/** In the order of the engine's numbers. */
export const splitPatterns: readonly SplitPattern[] = ['gpt2', 'gpt4', 'gpt4o'];

export const splitExpressions: Readonly<Record<SplitPattern, string>> = {
  gpt2: String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  gpt4: String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  gpt4o: String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
};

const contractions = "'s|'t|'re|'ve|'m|'ll|'d";

/** The pattern that a regular expression is, in any of the spellings in use, or undefined. */
export function patternOfExpression(expression: string): SplitPattern | undefined {
  const plain = expression
    .replaceAll("'(?:[sdmt]|ll|ve|re)", contractions)
    .replaceAll("'(?i:[sdmt]|ll|ve|re)", `(?i:${contractions})`);
  return splitPatterns.find((pattern) => splitExpressions[pattern] === plain);
}
