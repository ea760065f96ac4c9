/** Held-out quality: bits per byte of good answers that the round did not train on. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readComparisons } from '../../data/rows/comparisons.ts';
import { readInstructions } from '../../data/rows/instructions.ts';
import { answerLogProbs, type GivenAnswer } from './answer-log-probs.ts';
import { type Gate, type GateContext, meanLead, measured, unmeasured } from './gate.ts';

const name = 'quality';
const measure = 'bits per byte of good answers';

export const quality: Gate = async (context) => {
  const { served, candidate, settings, dtype } = context;
  const { answers, areDrawn } = await goodAnswers(context);
  if (answers.length === 0) return unmeasured(name, measure, 'there is no held-out answer');
  const [before, after] = [served, candidate].map((folder) => answerLogProbs(folder, answers, dtype));
  const bits = answers.flatMap(({ answer }, i) => {
    const [old, now] = [before![i]!, after![i]!].map((nats) => -nats / Math.LN2);
    return Number.isNaN(old! + now!) ? [] : [{ old: old!, now: now!, bytes: Buffer.byteLength(answer) }];
  });
  if (bits.length === 0) return unmeasured(name, measure, 'no held-out answer fits into the context');
  const bytes = sum(bits.map((one) => one.bytes));
  const [servedBits, candidateBits] = [sum(bits.map(({ old }) => old)), sum(bits.map(({ now }) => now))];
  // The mean of these leads is the difference of the two rates.
  const leads = bits.map(({ old, now }) => ((old - now) * bits.length) / bytes);
  return measured(name, measure, {
    ...{ served: servedBits / bytes, candidate: candidateBits / bytes, items: bits.length },
    tolerance: ((settings.qualityTolerance ?? (areDrawn ? 0.5 : 0.1)) * servedBits) / bytes,
    ...meanLead(leads, settings.seed),
  });
};

/** `areDrawn`: they are answers of the served model. */
async function goodAnswers({
  rows,
  settings,
}: GateContext): Promise<{ answers: GivenAnswer[]; areDrawn: boolean }> {
  const [sft, comparisons] = [join(rows, 'held-out/sft'), join(rows, 'held-out/comparisons')];
  const given = settings.quality ?? (existsSync(sft) ? sft : undefined);
  if (given !== undefined) return { answers: await instructions(given), areDrawn: false };
  return { answers: existsSync(comparisons) ? await better(comparisons) : [], areDrawn: true };
}

async function instructions(path: string): Promise<GivenAnswer[]> {
  const { rows } = await readInstructions(path);
  return rows.map(({ id, messages, inputs }) => ({
    ...{ id, prompt: messages.slice(0, -1), answer: messages.at(-1)!.content, inputs },
  }));
}

async function better(path: string): Promise<GivenAnswer[]> {
  const { rows } = await readComparisons(path);
  return rows.map(({ id, prompt, completions, ranks, inputs }) => ({
    ...{ id, prompt, answer: completions[ranks.indexOf(0)]!, inputs },
  }));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
