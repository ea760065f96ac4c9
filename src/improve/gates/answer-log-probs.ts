/** Log-probabilities of given answers in a model folder. */
import { loadModel } from '../../checkpoint/gpt-folder.ts';
import type { DType } from '../../native/binding.ts';
import { encodeComparison } from '../../scoring/encoded-comparisons.ts';
import { responseLogProbs } from '../../scoring/response-log-probs.ts';
import { responseStarts, sumsByResponse } from '../../scoring/sequences.ts';
import { ChatTemplate, type Message, type TemplateInputs } from '../../text/chat-template.ts';
import { Tokenizer } from '../../text/tokenizer.ts';

export interface GivenAnswer {
  id: string;
  prompt: Message[];
  answer: string;
  inputs?: TemplateInputs | undefined;
}

/**
 * For each answer the sum over its tokens, the end token included, in nats; NaN for an answer that
 * is longer than the context.
 */
export function answerLogProbs(folder: string, answers: readonly GivenAnswer[], dtype: DType): number[] {
  const template = ChatTemplate.of(Tokenizer.load(folder));
  const model = loadModel(folder, { dtype });
  try {
    const encoded = answers.map(({ id, prompt, answer, inputs }) => {
      const comparison = { id, prompt, completions: [answer], ranks: [0], ...(inputs && { inputs }) };
      return encodeComparison(comparison, template).answers[0]!;
    });
    const fits = ({ tokens }: { tokens: Int32Array }) => tokens.length <= model.config.contextLength;
    const fitting = encoded.filter(fits);
    const sums = sumsByResponse(responseLogProbs(model, fitting, 1), responseStarts(fitting));
    let next = 0;
    return encoded.map((sequence) => (fits(sequence) ? sums[next++]! : Number.NaN));
  } finally {
    model.dispose();
  }
}
