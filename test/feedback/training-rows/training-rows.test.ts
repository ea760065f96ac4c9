import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/base/json.ts';
import { readComparisons } from '../../../src/data/rows/comparisons.ts';
import { readInstructions } from '../../../src/data/rows/instructions.ts';
import { readPrompts } from '../../../src/data/rows/prompts.ts';
import { feedbackRows } from '../../../src/feedback/training-rows/feedback-rows.ts';
import {
  type FeedbackRowSettings,
  feedbackRowDefaults,
} from '../../../src/feedback/training-rows/settings.ts';
import { writeFeedbackRows } from '../../../src/feedback/training-rows/write-rows.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { MemoryFeedback } from '../../helpers/memory-feedback.ts';

function rowsOf(store: MemoryFeedback, settings: Partial<FeedbackRowSettings> = {}) {
  const { files, funnel } = feedbackRows(store, { ...feedbackRowDefaults, ...settings });
  return { files, ...(funnel.record() as Record<'read' | 'dropped' | 'rows', Record<string, JsonObject>>) };
}

const contentOf = (row: JsonObject, key: string) => (row[key] as { content: string }[])[0]!.content;
const pairsOf = (rows: JsonObject[] | undefined) =>
  (rows ?? []).map((row) => [contentOf(row, 'chosen'), contentOf(row, 'rejected')]);

describe('votes', () => {
  it('become pairs with the ids that they come from', () => {
    const store = new MemoryFeedback();
    const [a, b] = [store.answer('Name a colour.', 'Blue.'), store.answer('Name a colour.', 'No.')];
    const vote = store.vote('ann', a, b);
    expect(rowsOf(store).files['comparisons/votes.jsonl']).toEqual([
      {
        prompt: [{ role: 'user', content: 'Name a colour.' }],
        chosen: [{ role: 'assistant', content: 'Blue.' }],
        rejected: [{ role: 'assistant', content: 'No.' }],
        origin: { answers: [`${a}/0`, `${b}/0`], comparisons: [vote] },
      },
    ]);
  });

  it('count once per sender, and not at all when a sender said both', () => {
    const store = new MemoryFeedback();
    const [a, b] = [store.answer('Hello?', 'Hi.'), store.answer('Hello?', 'What.')];
    store.vote('ann', a, b);
    store.vote('ann', b, a, 'second');
    store.vote('bob', b, a);
    store.vote('bob', a, b);
    const { files, dropped } = rowsOf(store);
    expect(pairsOf(files['comparisons/votes.jsonl'])).toEqual([['Hi.', 'What.']]);
    expect(dropped.comparison).toEqual({ duplicate: 1, contradictory: 2 });
  });

  it.each([
    [3, 1, 0, true],
    [3, 2, 0, true],
    [1, 1, 0, false],
    [4, 3, 0, false],
    [2, 0, 3, true],
    [2, 1, 4, false],
    [0, 0, 2, false],
  ])('%i for, %i against and %i ties: a pair %s', (better, worse, ties, isPair) => {
    const store = new MemoryFeedback();
    const [a, b] = [store.answer('Hello?', 'Hi.'), store.answer('Hello?', 'What.')];
    for (let i = 0; i < better; ++i) store.vote(`for ${i}`, a, b);
    for (let i = 0; i < worse; ++i) store.vote(`against ${i}`, b, a);
    for (let i = 0; i < ties; ++i) store.vote(`tie ${i}`, a, b, i % 2 ? 'tie' : 'neither');
    expect(pairsOf(rowsOf(store).files['comparisons/votes.jsonl'])).toEqual(isPair ? [['Hi.', 'What.']] : []);
  });

  it('on answers to different prompts, on equal texts and on unknown answers are counted', () => {
    const store = new MemoryFeedback();
    const a = store.answer('Hello?', 'Hi.');
    store.vote('ann', a, store.answer('Name a colour.', 'Blue.'));
    store.vote('ann', a, store.answer('Hello?', 'Hi. '));
    store.vote('ann', a, 'chat-none');
    store.vote('ann', store.answer(null, 'a'), store.answer(null, 'b'));
    store.vote('ann', store.answer([{ role: 'robot', content: 'x' }], 'a'), a);
    const { files, dropped } = rowsOf(store);
    expect(files).toEqual({});
    expect(dropped.comparison).toEqual({
      ...{ other_prompt: 1, same_text: 1, unknown_answer: 1, not_chat: 1, malformed: 1 },
    });
  });

  it('on nearly the same texts are one pair, and on opposite ones two', () => {
    const store = new MemoryFeedback();
    const text = 'The capital of the country is a large city by the sea, which has two old harbours.';
    const ask = 'Please tell me about the capital of the country on the coast and its harbours, thank you';
    for (const end of ['.', ' !', '?!']) {
      store.vote(`user ${end}`, store.answer(ask + end, text), store.answer(ask + end, 'I do not know.'));
    }
    const other = `${ask}!!`;
    store.vote('ann', store.answer(other, 'I do not know.'), store.answer(other, text));
    const { files, dropped } = rowsOf(store);
    expect(pairsOf(files['comparisons/votes.jsonl'])).toEqual([
      [text, 'I do not know.'],
      ['I do not know.', text],
    ]);
    expect(dropped.comparison).toEqual({ near_duplicate: 2 });
  });
});

describe('ratings', () => {
  it('of answers to one prompt make pairs, and each has a label', () => {
    const store = new MemoryFeedback();
    const [good, bad, worse] = ['Blue.', 'No.', 'Never.'].map((text) => store.answer('Name a colour.', text));
    const ids = [store.rate('ann', good!, 1), store.rate('ann', bad!, -1), store.rate('bob', worse!, -1)];
    const alone = store.answer('Hello?', 'Hi.');
    const lone = store.rate('bob', alone, 1);
    const { files } = rowsOf(store);
    expect(pairsOf(files['comparisons/ratings.jsonl'])).toEqual([
      ['Blue.', 'No.'],
      ['Blue.', 'Never.'],
    ]);
    expect(files['comparisons/ratings.jsonl']![1]!.origin).toEqual({
      answers: [`${good}/0`, `${worse}/0`],
      feedback: [ids[0], ids[2]],
    });
    expect(files['unpaired/ratings.jsonl']!.map(({ label, paired }) => [label, paired])).toEqual([
      [true, true],
      [false, true],
      [false, true],
      [true, false],
    ]);
    expect(files['unpaired/ratings.jsonl']!.at(-1)!.origin).toEqual({
      answers: [`${alone}/0`],
      feedback: [lone],
    });
  });
});

describe('corrections', () => {
  it('become answers to learn; the last of a sender counts', () => {
    const store = new MemoryFeedback();
    const answer = store.answer('Name a colour.', 'Cat.');
    store.correct('ann', answer, 'Blu.');
    const last = store.correct('ann', answer, 'Blue.');
    store.correct('bob', answer, 'Cat.');
    store.correct('eve', answer, '  ');
    const { files, dropped } = rowsOf(store);
    expect(files['sft/corrections.jsonl']).toEqual([
      {
        prompt: [{ role: 'user', content: 'Name a colour.' }],
        completion: [{ role: 'assistant', content: 'Blue.' }],
        origin: { answers: [`${answer}/0`], feedback: [last] },
      },
    ]);
    expect(dropped.correction).toEqual({ replaced: 1, unchanged: 1, malformed: 1 });
  });
});

describe('floods and wrong senders', () => {
  /** Eight people vote rightly on ten prompts each, and one client wrongly on 400 of its own. */
  function flooded(client: (i: number) => string): MemoryFeedback {
    const store = new MemoryFeedback();
    for (let person = 0; person < 8; ++person) {
      for (let i = 0; i < 10; ++i) {
        const ask = `Question ${person * 10 + i} of many`;
        store.vote(`key${person % 4}:p${person}`, store.answer(ask, 'right'), store.answer(ask, 'wrong'));
      }
    }
    for (let i = 0; i < 400; ++i) {
      const ask = `Other question ${i}`;
      store.vote(client(i), store.answer(ask, 'wrong'), store.answer(ask, 'right'));
    }
    return store;
  }

  it.each([
    ['one sender', () => 'bad:eve'],
    ['one client that makes up users', (i: number) => `bad:eve${i}`],
  ])('%s has no more than a few senders have', (_, client) => {
    const { files, dropped } = rowsOf(flooded(client), { nearDuplicate: 1 });
    const wrong = pairsOf(files['comparisons/votes.jsonl']).filter(([chosen]) => chosen === 'wrong');
    expect(files['comparisons/votes.jsonl']!.length - wrong.length).toBe(80);
    expect(wrong.length).toBeLessThanOrEqual(40);
    expect(dropped.comparison!.flood).toBe(400 - wrong.length);
  });

  it('a trusted client has no limit', () => {
    const { files } = rowsOf(
      flooded(() => 'bad:eve'),
      { nearDuplicate: 1, trust: ['bad'] },
    );
    expect(files['comparisons/votes.jsonl']).toHaveLength(480);
  });

  it('a sender against the majority loses all votes, also where it is alone', () => {
    const store = new MemoryFeedback();
    for (let i = 0; i < 30; ++i) {
      const ask = `Question ${i}`;
      const [right, wrong] = [store.answer(ask, 'right'), store.answer(ask, 'wrong')];
      if (i < 20) for (const user of ['ann', 'bob', 'cid']) store.vote(user, right, wrong);
      store.vote('eve', wrong, right);
    }
    const { files, dropped } = rowsOf(store, { nearDuplicate: 1 });
    expect(pairsOf(files['comparisons/votes.jsonl'])).toEqual(Array(20).fill(['right', 'wrong']));
    expect(dropped.comparison).toEqual({ unreliable_sender: 30 });
  });
});

describe('safety', () => {
  function withEvents(): MemoryFeedback {
    const store = new MemoryFeedback();
    for (let i = 0; i < 6; ++i) {
      const jail = store.answer(`Break rule ${i} of the house`, 'Here is how.');
      store.event(jail, { promptHarmful: true, responseRefused: false, responseHarmful: true });
      store.rate('ann', jail, 1);
      const refused = store.answer(`What is ${i} plus ${i}?`, 'I cannot say.');
      store.event(refused, { promptHarmful: false, responseRefused: true });
      store.correct('ann', refused, `It is ${2 * i}.`);
    }
    store.event(null, { promptHarmful: true, responseRefused: true }, [{ role: 'user', content: 'Bad.' }]);
    return store;
  }

  it('does not test with prompts whose harmful answer was cut for over-refusals', () => {
    const store = new MemoryFeedback();
    const cut = store.answer('What is the secret?', 'It is');
    store.event(cut, { promptHarmful: false, responseRefused: true, responseHarmful: true });
    expect(rowsOf(store).files).toEqual({});
  });

  it('teaches refusals and helpful answers, and tests with other prompts', () => {
    const { files, dropped } = rowsOf(withEvents(), { refusal: 'No.', nearDuplicate: 1 });
    const taught = files['sft/safety.jsonl']!;
    expect(taught.map((row) => contentOf(row, 'completion')).filter((text) => text === 'No.')).toHaveLength(
      3,
    );
    expect(taught).toHaveLength(6);
    const tested = [...files['evaluation/red-team.jsonl']!, ...files['evaluation/over-refusals.jsonl']!];
    expect(tested).toHaveLength(6);
    const promptsOf = (rows: JsonObject[]) => rows.map((row) => JSON.stringify(row.prompt));
    expect(promptsOf(taught).filter((prompt) => promptsOf(tested).includes(prompt))).toEqual([]);
    // A rating of a harmful answer teaches nothing.
    expect(files['unpaired/ratings.jsonl']).toBeUndefined();
    expect(dropped.rating).toEqual({ moderated: 6 });
    expect(taught[0]!.origin).toMatchObject({ events: [expect.stringMatching(/^safety-/)] });
  });
});

/** Many people, prompts that some share, votes, ratings and corrections. */
function busy(): MemoryFeedback {
  const store = new MemoryFeedback();
  for (let person = 0; person < 12; ++person) {
    for (let i = 0; i < 10; ++i) {
      const ask = `Question ${i < 5 ? i : person * 100 + i} about something`;
      const [a, b] = [store.answer(ask, `good ${i}`), store.answer(ask, `bad ${i}`)];
      store.vote(`user${person}`, a, b);
      store.rate(`user${person}`, a, 1);
      store.correct(`user${person}`, b, `better ${person} ${i}`);
    }
  }
  return store;
}

describe('what is held out', () => {
  it('shares no sender and no prompt with what is trained on', () => {
    const { files, dropped } = rowsOf(busy(), { heldOut: 0.25, nearDuplicate: 1 });
    const names = Object.keys(files).filter((name) => !name.startsWith('held-out/'));
    expect(names.length).toBeGreaterThan(3);
    const originsOf = (list: string[]) =>
      list.flatMap((name) => files[name]!.flatMap((row) => Object.values(row.origin as JsonObject).flat()));
    const promptsOf = (list: string[]) =>
      list.flatMap((name) => files[name]!.map((row) => JSON.stringify(row.prompt)));
    const held = names.map((name) => `held-out/${name}`);
    expect(promptsOf(held).filter((prompt) => promptsOf(names).includes(prompt))).toEqual([]);
    const users = new Map(
      [...busy().feedback(), ...busy().comparisons()].map(({ id, user }) => [id, user] as const),
    );
    const usersOf = (list: string[]) =>
      new Set(originsOf(list).flatMap((id) => users.get(id as string) ?? []));
    expect(usersOf(held).size).toBeGreaterThan(1);
    expect([...usersOf(held)].filter((user) => usersOf(names).has(user))).toEqual([]);
    expect(dropped.comparison!.mixed_sides).toBeGreaterThan(0);
  });

  it('comes from prompts alone where there are few senders', () => {
    const store = new MemoryFeedback();
    for (let i = 0; i < 40; ++i) store.correct('ann', store.answer(`Question ${i}`, 'bad'), `good ${i}`);
    const { files } = rowsOf(store, { heldOut: 0.25, nearDuplicate: 1 });
    const held = files['held-out/sft/corrections.jsonl']!.length;
    expect(held).toBeGreaterThan(3);
    expect(files['sft/corrections.jsonl']).toHaveLength(40 - held);
  });
});

describe('files', () => {
  it('are read by the stages without a note, and are the same every time', async () => {
    const folder = temporaryFolder();
    const out = join(folder, 'rows');
    const report = await writeFeedbackRows(busy(), out, { heldOut: 0.25 });
    await writeFeedbackRows(busy(), join(folder, 'again'), { heldOut: 0.25 });
    const readers = { sft: readInstructions, comparisons: readComparisons, prompts: readPrompts };
    for (const [name, read] of Object.entries(readers)) {
      for (const place of [name, `held-out/${name}`]) {
        const { rows, counts } = await read(join(out, place), { onBadLine: 'fail' });
        expect(rows.length, place).toBeGreaterThan(0);
        expect(counts.describe(), place).toBe('');
      }
    }
    const rows = report.funnel.rows as Record<string, number>;
    for (const name of [...Object.keys(rows), 'funnel.json']) {
      const [first, second] = ['rows', 'again'].map((run) => readFileSync(join(folder, run, name), 'utf8'));
      expect(first).toBe(second);
    }
    await expect(writeFeedbackRows(busy(), out)).rejects.toThrow(/exists already/);
  });

  it('of a later export have nothing of a deleted user', async () => {
    const folder = temporaryFolder();
    const store = busy();
    store.deleteUser('user3');
    await writeFeedbackRows(store, join(folder, 'rows'));
    const text = readFileSync(join(folder, 'rows/sft/corrections.jsonl'), 'utf8');
    expect(text).toContain('better 2 7');
    expect(text).not.toContain('better 3 ');
    expect(existsSync(join(folder, 'rows/held-out'))).toBe(false);
  });

  it('have no correction that a check found harmful', async () => {
    const folder = temporaryFolder();
    const asked: string[] = [];
    const moderate = async (texts: readonly string[]) => {
      asked.push(...texts);
      return texts.map((text) => text.startsWith('better 2 '));
    };
    const { funnel } = await writeFeedbackRows(busy(), join(folder, 'rows'), {}, { moderate });
    const text = readFileSync(join(folder, 'rows/sft/corrections.jsonl'), 'utf8');
    expect(asked).toHaveLength(120);
    expect(text).toContain('better 3 7');
    expect(text).not.toContain('better 2 ');
    expect(funnel.dropped).toMatchObject({ correction: { moderated: 10 } });
  });

  it('settings out of range are refused', async () => {
    await expect(writeFeedbackRows(busy(), 'nowhere', { agreement: 0.2 })).rejects.toThrow(/`agreement`/);
  });
});
