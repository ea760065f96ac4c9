/** The rule for right answers, on which the packaged run's figures and comparisons depend. */
import { describe, expect, it } from 'vitest';
import { AnswerRule, isCorrect, namesAnswer, normalizeAnswer } from '../../src/eval/exact-match.ts';

const capitals = ['Paris', 'Oslo', 'Guinea', 'Equatorial Guinea', 'Singapore', 'New Delhi', 'Delhi'];

describe('normalizeAnswer', () => {
  it('leaves words: no case, accents, punctuation or double spaces', () => {
    expect(normalizeAnswer('  São Tomé —  and “Príncipe”! ')).toBe('sao tome and principe');
    expect(normalizeAnswer('?!')).toBe('');
  });
});

describe('namesAnswer', () => {
  it('compares whole words', () => {
    expect(namesAnswer('It is Oslo.', 'oslo')).toBe(true);
    expect(namesAnswer('It is Oslofjord.', 'Oslo')).toBe(false);
    expect(namesAnswer('New York', 'York New')).toBe(false);
  });
});

describe('isCorrect', () => {
  it('takes the answer alone and in a sentence', () => {
    expect(isCorrect('oslo', 'Oslo', capitals, 'Norway')).toBe(true);
    expect(isCorrect('The capital of Norway is Oslo.', 'Oslo', capitals, 'Norway')).toBe(true);
    expect(isCorrect('It is Oslo, I think.', 'Oslo')).toBe(true);
  });

  it('refuses another value, and the right one beside another', () => {
    expect(isCorrect('The capital of Norway is Paris.', 'Oslo', capitals, 'Norway')).toBe(false);
    expect(isCorrect('The capital of Norway is Paris or Oslo.', 'Oslo', capitals, 'Norway')).toBe(false);
    expect(isCorrect('', 'Oslo', capitals, 'Norway')).toBe(false);
  });

  it('refuses a sentence about something else, though its value is right', () => {
    expect(isCorrect('The capital of Sweden is Oslo.', 'Oslo', capitals, 'Norway')).toBe(false);
    expect(isCorrect('The capital of Norw is Oslo.', 'Oslo', capitals, 'Norway')).toBe(false);
  });

  it('takes a value within the right one, or within what was asked about, for no other value', () => {
    expect(isCorrect('The capital of India is New Delhi.', 'New Delhi', capitals, 'India')).toBe(true);
    expect(isCorrect('The capital of India is Delhi.', 'New Delhi', capitals, 'India')).toBe(false);
    expect(isCorrect('The capital of Guinea is Oslo.', 'Oslo', capitals, 'Guinea')).toBe(true);
  });

  it('wants the value named once more where the question names it already', () => {
    expect(isCorrect('The capital of Singapore is Paris.', 'Singapore', ['Singapore'], 'Singapore')).toBe(
      false,
    );
    expect(isCorrect('The capital of Singapore is Singapore.', 'Singapore', capitals, 'Singapore')).toBe(
      true,
    );
  });
});

describe('AnswerRule', () => {
  it('judges as isCorrect does, answer after answer', () => {
    const rule = new AnswerRule(capitals);
    const responses = ['The capital of Norway is Oslo.', 'Óslo!', 'Oslo or Paris in Norway', 'Oslo', ''];
    for (const response of responses) {
      expect(rule.isCorrect(response, 'Oslo', 'Norway')).toBe(
        isCorrect(response, 'Oslo', capitals, 'Norway'),
      );
    }
    expect(responses.map((response) => rule.isCorrect(response, 'Oslo', 'Norway'))).toEqual([
      true,
      true,
      false,
      true,
      false,
    ]);
  });
});
