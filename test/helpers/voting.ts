/** A feedback store in which people prefer one kind of answer, and a tiny model to improve. */
import { join } from 'node:path';
import { FeedbackStore } from '../../src/feedback/store.ts';
import { writeChatModel } from './chat-model.ts';
import { answerRecord, newComparison, newFeedback } from './feedback.ts';

const things = ['sky', 'sea', 'hat', 'car', 'door', 'tree', 'cup', 'ball', 'book', 'shoe'];
const words = ['big', 'old', 'new', 'wet', 'dry', 'hot', 'far', 'odd'];

/** A prompt; those of different numbers differ. */
function ask(number: number): string {
  const [thing, word] = [things[number % 10]!, words[Math.floor(number / 10) % 8]!];
  return `Name a colour of the ${word} ${thing} ${Math.floor(number / 80)}.`;
}

export const GOOD = 'Blue. Blue.';
export const BAD = 'Red, then.';

/** Votes of all people together. */
const VOTES = 80;

export interface Votes {
  /** People who vote for `good`, each on prompts of its own. */
  people?: number;
  /** Votes of one more sender for the other answer, on prompts of its own. */
  wrong?: number;
  /** Corrections of each person. */
  corrections?: number;
  /** Whether each person also rates the answers. */
  ratings?: boolean;
}

/** Writes the store. */
export function writeVotes(
  path: string,
  { people = 8, wrong = 0, corrections = 0, ratings = false }: Votes,
): void {
  const store = FeedbackStore.open(path);
  const pair = (id: string, number: number): [string, string] => {
    const messages = [{ role: 'user', content: ask(number) }];
    store.recordAnswers([
      answerRecord(`${id}-good`, { messages, text: GOOD }),
      answerRecord(`${id}-bad`, { messages, text: BAD }),
    ]);
    return [`${id}-good`, `${id}-bad`];
  };
  store.transaction(() => {
    for (let i = 0; i < VOTES; ++i) {
      const user = `person ${i % people}`;
      const [good, bad] = pair(`own-${i}`, i);
      store.addComparison(newComparison(good, bad, { user }));
      if (ratings) {
        store.addFeedback(newFeedback(good, { user, rating: 1 }));
        store.addFeedback(newFeedback(bad, { user, rating: -1 }));
      }
      if (Math.floor(i / people) < corrections) {
        store.addFeedback(newFeedback(bad, { user, rating: null, correction: `${GOOD} ` }));
      }
    }
    for (let i = 0; i < wrong; ++i) {
      const [good, bad] = pair(`wrong-${i}`, VOTES + i);
      store.addComparison(newComparison(bad, good, { user: 'eve' }));
    }
  });
  store.close();
}

/** Settings with which a tiny model learns the votes in seconds. */
export const quickRound = {
  dtype: 'f32',
  seed: 3,
  rows: { nearDuplicate: 1 },
  maxTokens: 8,
  gatePrompts: 24,
  gateAnswers: 2,
  // What a model of random weights says is noise, also to the judge.
  winTolerance: 0.3,
  stages: {
    sft: { epochs: 1, batchSize: 8, lr: 1e-3, warmupSteps: 0 },
    dpo: { epochs: 1, batchSize: 8, lr: 1e-3, warmupSteps: 0 },
    reward: { epochs: 3, batchSize: 8, lr: 1e-3, warmupSteps: 0 },
  },
} as const;

/** A folder with a tiny model and a store. */
export async function writeWorld(
  folder: string,
  votes: Votes = {},
): Promise<{ model: string; feedback: string }> {
  const model = join(folder, 'assistant');
  (await writeChatModel(model)).dispose();
  const feedback = join(folder, 'feedback.db');
  writeVotes(feedback, votes);
  return { model, feedback };
}
