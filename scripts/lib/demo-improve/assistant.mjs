// The assistant of the full demonstration: a small Llama that answers questions about countries,
// half of the time in a whole sentence and half of the time with the value alone.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../process.mjs';
import { randomNumbers } from './users.mjs';

/** People prefer whole sentences: an answer of several words that begins the sentence. */
export const prefersSentences = (text) => /^(The|In|Most|Its|People)\b.+\.$/.test(text.trim());

/** Makes the assistant in a folder, or finds it there. Returns the questions. */
export async function makeAssistant(athanor, { folder, tokens, tuningSteps, seed }) {
  const { factbookTask, writeFactbookTask } = await import(join(root, 'dist/quickstart/factbook/task.js'));
  const { RightAnswers } = await import(join(root, 'dist/quickstart/factbook/right-answers.js'));
  const task = await factbookTask({ seed });
  const assistant = join(folder, 'assistant');
  if (!existsSync(join(assistant, 'done'))) {
    const onEvent = athanor.terminalProgress();
    writeFactbookTask(join(folder, 'task'), task);
    const common = {
      schedule: 'linear',
      minLrRatio: 0,
      keepCheckpoints: 1,
      saveEvery: 0,
      seed,
      context: 256,
    };
    const base = join(folder, 'base');
    await athanor.pretrain(
      {
        ...{ ...common, out: base, data: join(folder, 'task/corpus.jsonl'), model: 'llama-micro', tokens },
        ...{ batchSize: 4, vocabSize: 4096, lr: 2.5e-3, warmupSteps: 80, beta2: 0.98, evalEvery: 0 },
      },
      { onEvent },
    );
    const random = randomNumbers(seed);
    const rows = task.instructions.map(({ question, sentence, answer }) => ({
      ...{ prompt: question, completion: random() < 0.5 ? sentence : answer },
    }));
    const data = join(folder, 'instructions.jsonl');
    writeFileSync(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    await athanor.sft(
      {
        ...{ ...common, out: assistant, model: base, data, steps: tuningSteps },
        ...{ lr: 8e-4, warmupSteps: 20, batchSize: 4, overLong: 'drop', evalEvery: 0, epochs: 1 },
      },
      { onEvent },
    );
    writeFileSync(join(assistant, 'done'), '');
  }
  const shuffled = (questions, order) => {
    const random = randomNumbers(order);
    return questions
      .map(({ question }) => ({ question, rank: random() }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ question }) => question);
  };
  const rule = new RightAnswers(task.values);
  const all = [...task.prompts, ...task.heldOutPhrasings, ...task.heldOutFacts];
  const byText = new Map(all.map((one) => [one.question, one]));
  return {
    assistant,
    isRight: (prompt, text) => rule.isRight(byText.get(prompt), text),
    asksOf: (order) => shuffled(task.prompts, order),
    unseenOf: (order) => shuffled([...task.heldOutPhrasings, ...task.heldOutFacts], order),
  };
}
