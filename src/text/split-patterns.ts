/**
 * The split patterns as the regular expressions that files contain. The engine implements each as
 * a state machine.
 */
import type { SplitPattern } from './vocabulary.ts';

/** The patterns in the order of their numbers in the engine. */
export const splitPatterns: readonly SplitPattern[] = ['gpt2', 'gpt4', 'gpt4o'];

export const splitExpressions: Readonly<Record<SplitPattern, string>> = {
  gpt2: String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  gpt4: String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  gpt4o: String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
};

const contractions = "'s|'t|'re|'ve|'m|'ll|'d";

/** The pattern that equals a regular expression in any of its usual spellings, or undefined. */
export function patternOfExpression(expression: string): SplitPattern | undefined {
  const plain = expression
    .replaceAll("'(?:[sdmt]|ll|ve|re)", contractions)
    .replaceAll("'(?i:[sdmt]|ll|ve|re)", `(?i:${contractions})`);
  return splitPatterns.find((pattern) => splitExpressions[pattern] === plain);
}
