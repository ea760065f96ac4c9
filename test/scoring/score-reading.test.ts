/**
 * A reward model scores the token that transformers 5.18 and TRL 1.13 score for the same messages.
 * scripts/record-reading.py recorded their tokens and scores.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { loadScoringModel, saveScoringModel, scoreReading } from '../../src/checkpoint/gpt-folder.ts';
import { preferenceAccuracy } from '../../src/eval/preference-accuracy.ts';
import { encodeComparison } from '../../src/scoring/encoded-comparisons.ts';
import { RewardModelSource, scoreAll } from '../../src/scoring/reward-model.ts';
import { readingWarning } from '../../src/scoring/score-reading.ts';
import { ChatTemplate, type Message } from '../../src/text/chat-template.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { scoringPad } from '../../src/train/loop/chat-model.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { jsonl } from '../helpers/stages.ts';

interface Case {
  config: { pad_token_id: number | null };
  tokenizer_config: { chat_template: string; eos_token: string; pad_token: string | null };
  tokens: number[][];
  scores: number[];
  padded_right: number[] | null;
  padded_left: number[] | null;
  trl: { pad_token_id: number; scores: number[] };
}

const fixture = join(packageRoot, 'test/fixtures/torch/chat-score');
const recorded = JSON.parse(readFileSync(join(fixture, 'record.json'), 'utf8')) as {
  prompt: Message[];
  answers: string[];
  cases: Record<string, Case>;
};
const { prompt, answers: completions, cases } = recorded;
const ranks = completions.map((_, i) => i);

/** Changes a JSON file; undefined removes a key. */
function edit(path: string, changes: object): void {
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...changes }));
}

/** The folder of a case, as the recording made it. @param config more keys of config.json */
function folderOf({ config, tokenizer_config }: Case, more: object = {}): string {
  const folder = join(temporaryFolder(), 'judge');
  cpSync(fixture, folder, { recursive: true });
  edit(join(folder, 'config.json'), { ...config, ...more });
  const { pad_token, ...named } = tokenizer_config;
  edit(join(folder, 'tokenizer_config.json'), { ...named, ...(pad_token !== null && { pad_token }) });
  return folder;
}

/** The scores of the answers without the bias, which transformers does not read. */
function unbiased(folder: string): { tokens: number[][]; scores: number[] } {
  const model = loadScoringModel(folder);
  const template = ChatTemplate.of(Tokenizer.load(folder));
  const { answers } = encodeComparison({ id: '', prompt, completions, ranks }, template, model.reading);
  const read = answers.map(({ tokens }) => tokens);
  const bias = model.score.bias!.item();
  const scores = scoreAll(model, read).map((score) => score - bias);
  model.dispose();
  return { tokens: read.map((tokens) => [...tokens]), scores };
}

const order = (scores: readonly number[]) => [...scores.keys()].sort((a, b) => scores[a]! - scores[b]!);

function expectScores(found: readonly number[], wanted: readonly number[] | null): void {
  if (wanted === null) return;
  expect(order(found)).toEqual(order(wanted));
  found.forEach((score, i) => {
    expect(score).toBeCloseTo(wanted[i]!, 4);
  });
}

describe.each(Object.entries(cases))('%s', (_, recording) => {
  it('has the scores and the order of transformers, alone and padded on either side', () => {
    const folder = folderOf(recording);
    const { tokens, scores } = unbiased(folder);
    expectScores(scores, recording.scores);
    expectScores(scores, recording.padded_right);
    expectScores(scores, recording.padded_left);
    tokens.forEach((read, i) => {
      expect(recording.tokens[i]!.slice(0, read.length)).toEqual(read);
    });
    if (recording.trl.pad_token_id === recording.config.pad_token_id) {
      expectScores(scores, recording.trl.scores);
    }
  });

  it('is trained with the padding token that TRL sets', () => {
    const tokenizer = Tokenizer.load(folderOf(recording));
    const chat = { tokenizer, template: ChatTemplate.of(tokenizer), folder: '' };
    expect(scoringPad(chat)).toBe(recording.trl.pad_token_id);
  });

  it('scores drawn answers as it scores their messages', async () => {
    const folder = folderOf(recording);
    const tokenizer = Tokenizer.load(folder);
    const template = ChatTemplate.of(tokenizer);
    const source = RewardModelSource.load(folder, tokenizer, 60, { dtype: 'f32' });
    const bias = source.model.score.bias!.item();
    const stop = template.ending[0]!;
    // Drawing stops at the first stop token, so that nothing of the template is behind it.
    const drawn = recording.tokens.map((tokens) =>
      Int32Array.from(tokens.slice(0, tokens.lastIndexOf(stop) + 1)),
    );
    const scores = [...(await source.scoreSequences(drawn))].map((score) => score - bias);
    expectScores(scores, recording.scores);
    // The end of text ends an answer too. Rendered, its message has the template's end.
    const other = template.stopTokens.find((id) => id !== stop);
    if (other !== undefined) {
      const ended = drawn.map((tokens) => Int32Array.of(...tokens.subarray(0, -1), other));
      expect([...(await source.scoreSequences(ended))].map((score) => score - bias)).toEqual(scores);
    }
    // An answer that was cut has no end: its last token is scored.
    const cut = drawn.map((tokens) => tokens.subarray(0, -1));
    expect([...(await source.scoreSequences(cut))]).toEqual(scoreAll(source.model, cut));
    source.dispose();
  });
});

describe('which token a folder reads', () => {
  const { chatml, bare } = cases as Record<'chatml' | 'bare', Case>;

  it('stands in config.json and is kept', async () => {
    const folder = folderOf(chatml);
    expect(scoreReading(folder)).toEqual({ token: 'last', padTokenId: chatml.config.pad_token_id });
    const model = loadScoringModel(folder);
    const copy = temporaryFolder();
    await saveScoringModel(copy, model);
    model.reading = { ...model.reading, token: 'end' };
    const older = temporaryFolder();
    await saveScoringModel(older, model);
    model.dispose();
    expect([scoreReading(copy).token, scoreReading(older).token]).toEqual(['last', 'end']);
    expect(scoreReading(older).padTokenId).toBe(chatml.config.pad_token_id);
  });

  it('is the end token in a folder from before it was recorded, with a word about it', async () => {
    const folder = folderOf(chatml, { athanor_score_token: undefined });
    const reading = scoreReading(folder);
    expect(reading.token).toBe('end');
    const { tokens } = unbiased(folder);
    const tokenizer = Tokenizer.load(folder);
    expect(tokens.map((read) => tokenizer.tokenOf(read.at(-1)!))).toEqual(
      completions.map(() => '<|im_end|>'),
    );
    const template = ChatTemplate.of(tokenizer);
    expect(readingWarning(folder, reading, template)).toMatch(/transformers reads the last token/);
    expect(readingWarning(folder, { token: 'last' }, template)).toBeUndefined();
    const warned: string[] = [];
    const rows = [{ prompt: 'Name a colour.', chosen: 'Blue.', rejected: 'one' }];
    await preferenceAccuracy(folder, jsonl(temporaryFolder(), 'rows.jsonl', rows), {
      dtype: 'f32',
      onBadLine: 'fail',
      console: { note: () => {}, warn: (text) => warned.push(text) },
    });
    expect(warned).toEqual([readingWarning(folder, reading, template)]);
  });

  it('is the same in such a folder whose template writes nothing behind the end token', () => {
    const folder = folderOf(bare, { athanor_score_token: undefined });
    expectScores(unbiased(folder).scores, bare.scores);
    const template = ChatTemplate.of(Tokenizer.load(folder));
    expect(readingWarning(folder, scoreReading(folder), template)).toBeUndefined();
  });

  it('is the last token in a folder of another program, whose heads have no bias', () => {
    const foreign = join(packageRoot, 'test/fixtures/torch/llama-score');
    expect(scoreReading(foreign)).toEqual({ token: 'last', padTokenId: 2 });
  });

  it('is refused when it is unknown', () => {
    const folder = folderOf(chatml, { athanor_score_token: 'first' });
    expect(() => loadScoringModel(folder)).toThrow(/athanor_score_token "first" is not supported/);
  });
});
