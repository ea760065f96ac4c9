/**
 * C4's rules (Raffel et al. 2020), as datatrove 0.10 has them. Lines are dropped or edited one by
 * one; a few rules drop the whole document. A rule sees only lines that passed the rules before it.
 */
import { type Rejection, type RuleSettings, type TextFilter, withSettings } from './filter.ts';
import type { TextMeasures } from './text-measures.ts';
import { codePoints, isSpace, splitLines, strip } from './words/white-space.ts';

export const C4_VERSION = 'datatrove-0.10';

const defaults = {
  'max-word-length': 1000,
  citations: true,
  'terminal-punctuation': true,
  'min-line-words': 3,
  'lorem-ipsum': true,
  javascript: true,
  'curly-bracket': true,
  policy: true,
  'min-sentences': 5,
};

const CITATION = /\[\p{Nd}*\]|\[edit\]|\[citation needed\]/gu;
const POLICIES = [
  'terms of use',
  'privacy policy',
  'cookie policy',
  'uses cookies',
  'use of cookies',
  'use cookies',
];
const ENDS = new Set(['.', '?', '!', '"', "'"]);

/** `c4` with settings over the defaults. */
export function c4Filter(settings: RuleSettings): TextFilter {
  const all = withSettings('c4', defaults, settings);
  const rules = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== false));
  return { name: 'c4', version: C4_VERSION, rules, apply: (measures) => applyC4(measures, rules) };
}

type Outcome = string | Omit<Rejection, 'filter'>;

function applyC4({ text, table }: TextMeasures, rules: RuleSettings): Outcome {
  const has = (rule: keyof typeof defaults) => rules[rule] !== undefined;
  const limit = (rule: keyof typeof defaults) => rules[rule] as number | undefined;
  const lower = text.toLowerCase();
  const citations = has('citations') && text.includes('[');
  // A text without the phrases needs no look at its lines, unless an edit can bring one about.
  const mayHave = (...phrases: readonly string[]) => citations || phrases.some((p) => lower.includes(p));
  const lorem = has('lorem-ipsum') && mayHave('lorem ipsum');
  const script = has('javascript') && mayHave('javascript');
  const policy = has('policy') && mayHave(...POLICIES);
  const curly = has('curly-bracket') && text.includes('{');
  const [longest, leastWords] = [limit('max-word-length'), limit('min-line-words')];
  const leastSentences = limit('min-sentences');

  let sentences = 0;
  const kept: string[] = [];
  for (const raw of splitLines(text)) {
    let line = strip(raw);
    if (longest !== undefined && hasLongWord(line, longest)) continue;
    const fewWords = leastWords !== undefined && hasFewerWords(line, leastWords);
    if (citations && line.includes('[')) line = line.replace(CITATION, '');
    if (has('terminal-punctuation') && !isTerminated(line)) continue;
    if (fewWords) continue;
    const low = lorem || script || policy ? line.toLowerCase() : '';
    if (lorem && low.includes('lorem ipsum')) return { rule: 'lorem-ipsum', value: 1, threshold: 0 };
    if (script && low.includes('javascript')) continue;
    if (curly && line.includes('{')) return { rule: 'curly-bracket', value: 1, threshold: 0 };
    if (policy && POLICIES.some((phrase) => low.includes(phrase))) continue;
    if (leastSentences !== undefined && sentences < leastSentences) {
      sentences += table.sentences(line, leastSentences - sentences);
    }
    kept.push(line);
  }
  if (leastSentences !== undefined && sentences < leastSentences) {
    return { rule: 'min-sentences', value: sentences, threshold: leastSentences };
  }
  return strip(kept.join('\n'));
}

function isTerminated(line: string): boolean {
  return ENDS.has(line.slice(-1)) && !line.endsWith('...');
}

/** Whether a word of the line has more code points than that. */
function hasLongWord(line: string, most: number): boolean {
  if (line.length <= most) return false;
  for (let i = 0; i < line.length; i++) {
    const start = i;
    while (i < line.length && !isSpace(line.charCodeAt(i))) i++;
    if (i - start > most && codePoints(line.slice(start, i)) > most) return true;
  }
  return false;
}

function hasFewerWords(line: string, least: number): boolean {
  let words = 0;
  for (let i = 0; i < line.length && words < least; i++) {
    const start = i;
    while (i < line.length && !isSpace(line.charCodeAt(i))) i++;
    if (i > start) words++;
  }
  return words < least;
}

/** `c4-paragraphs`, of mC4: enough lines of enough code points. */
export function c4ParagraphFilter(settings: RuleSettings): TextFilter {
  const usual = { 'min-paragraphs': 3, 'min-paragraph-length': 200 };
  const rules = withSettings('c4-paragraphs', usual, settings);
  const [least, length] = [Number(rules['min-paragraphs']), Number(rules['min-paragraph-length'])];
  return {
    name: 'c4-paragraphs',
    version: C4_VERSION,
    rules,
    apply({ text }, note) {
      const value = text.split('\n').filter((line) => codePoints(line) >= length).length;
      note?.('min-paragraphs', least, value, value >= least);
      return value < least ? { rule: 'min-paragraphs', value, threshold: least } : text;
    },
  };
}
