/**
 * A safety policy: what an operator refuses or notes in prompts and answers. It is one YAML or JSON
 * file.
 */
import { createHash } from 'node:crypto';
import { dirname, isAbsolute, join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { readText } from '../base/files/read-file.ts';
import { readYamlFile, type YamlNode } from '../base/files/yaml-file.ts';
import type { FoldingOptions } from './folding.ts';
import { type ListedPattern, Pattern, PatternError, PatternList } from './pattern.ts';
import { isWord, type ListedWord, WordList } from './word-list.ts';

/** What is checked: what a user wrote, or what the model answers. */
export type Side = 'prompt' | 'response';

/** `refuse` puts the refusal in the place of an answer, `flag` only notes an event. */
export type SafetyAction = 'refuse' | 'flag';

/** A classifier of a category. */
export interface PolicyClassifier {
  /** Folder that `classifier` trained. */
  model: string;
  /** Probability from which a text counts as harmful; undefined: that of the folder. */
  threshold: number | undefined;
}

/** A category of a policy. */
export interface PolicyCategory {
  name: string;
  on: readonly Side[];
  action: SafetyAction;
  classifier: PolicyClassifier | undefined;
  /** Whether it has words or patterns. */
  hasLists: boolean;
}

/** A word or pattern of a policy; `category` is an index, -1 for the phrases of refusals. */
export interface PolicyEntry {
  category: number;
  kind: 'words' | 'patterns' | 'refusal_phrases';
}

/** An entry, and whether an answer waits for it. */
type NewEntry = PolicyEntry & { holds: boolean };

export const policyDefaults = {
  refusal: 'I cannot help with that.',
  checkEvery: 32,
  accents: 'keep',
} as const;

const MOST_CATEGORIES = 100;
const MOST_WORDS = 200_000;
const MOST_PATTERNS = 500;
const WORD_FILE_BYTES = 16 << 20;

/** What checks need of a policy file. */
export class SafetyPolicy {
  /** The file that it was read from. */
  readonly file: string;
  /** SHA-256 of the file and of its word lists, in hexadecimal. */
  readonly hash: string;
  /** What is answered in place of what is refused. */
  readonly refusal: string;
  /** Tokens of an answer between two checks by classifiers. */
  readonly checkEvery: number;
  /** Says whether an answer is a refusal; undefined: only phrases do. */
  readonly refusalClassifier: PolicyClassifier | undefined;
  readonly categories: readonly PolicyCategory[];
  readonly entries: readonly PolicyEntry[];
  /** @internal */
  readonly words: WordList;
  /** @internal */
  readonly patterns: PatternList;
  /** @internal */
  readonly folding: FoldingOptions;

  private constructor(reader: PolicyReader) {
    this.file = reader.file;
    this.hash = reader.hash.digest('hex');
    this.refusal = reader.refusal;
    this.checkEvery = reader.checkEvery;
    this.refusalClassifier = reader.refusalClassifier;
    this.categories = reader.categories;
    this.entries = reader.entries;
    this.folding = reader.folding;
    this.words = new WordList(reader.words, reader.folding);
    this.patterns = new PatternList(reader.patterns);
  }

  /**
   * Reads a policy and its word lists. Throws ERR_CONFIG with file, line and key for the first
   * thing that is wrong, and as readText.
   */
  static read(file: string): SafetyPolicy {
    return new SafetyPolicy(new PolicyReader(file));
  }

  /** Whether anything says which answers are refusals. */
  get findsRefusals(): boolean {
    return (
      this.refusalClassifier !== undefined || this.entries.some(({ kind }) => kind === 'refusal_phrases')
    );
  }

  /** Whether any category looks at this side. */
  checks(side: Side): boolean {
    return this.categories.some(({ on }) => on.includes(side));
  }
}

class PolicyReader {
  readonly hash = createHash('sha256');
  readonly refusal: string;
  readonly checkEvery: number;
  readonly refusalClassifier: PolicyClassifier | undefined;
  readonly folding: FoldingOptions;
  readonly categories: PolicyCategory[] = [];
  readonly entries: PolicyEntry[] = [];
  readonly words: ListedWord[] = [];
  readonly patterns: ListedPattern[] = [];

  constructor(readonly file: string) {
    const root = readYamlFile(file, { name: 'a policy', page: 'docs/safety.md' }, (text) =>
      this.hash.update(text),
    );
    const fields = root.fields([
      ...['refusal', 'refusal_phrases', 'refusal_classifier', 'check_every', 'accents', 'categories'],
    ]);
    this.refusal = fields.get('refusal')?.text() ?? policyDefaults.refusal;
    this.checkEvery = fields.get('check_every')?.number({ min: 1, whole: true }) ?? policyDefaults.checkEvery;
    this.refusalClassifier = this.#classifier(fields.get('refusal_classifier'));
    const accents = fields.get('accents')?.word(['keep', 'ignore']) ?? policyDefaults.accents;
    this.folding = { accents };
    for (const phrase of fields.get('refusal_phrases')?.items() ?? []) {
      this.#addWord(phrase, phrase.text(), { category: -1, kind: 'refusal_phrases', holds: false });
    }
    const categories = fields.get('categories') ?? root.fail('it has no "categories"');
    for (const [name, node] of categories.entries()) this.#addCategory(name, node);
    if (this.categories.length === 0) categories.fail('there is no category');
    if (this.categories.length > MOST_CATEGORIES) {
      categories.fail(
        `there are ${this.categories.length} categories; at most ${MOST_CATEGORIES} are allowed`,
      );
    }
  }

  #addCategory(name: string, node: YamlNode): void {
    const fields = node.fields(['on', 'action', 'words', 'word_files', 'patterns', 'classifier']);
    const before = this.entries.length;
    const [on, action] = [sidesOf(fields.get('on')), actionOf(fields.get('action'))];
    const holds = action === 'refuse' && on.includes('response');
    const own = { category: this.categories.length, holds };
    for (const word of fields.get('words')?.items() ?? []) {
      this.#addWord(word, word.text(), { ...own, kind: 'words' });
    }
    for (const path of fields.get('word_files')?.items() ?? [])
      this.#addWordFile(path, { ...own, kind: 'words' });
    for (const pattern of fields.get('patterns')?.items() ?? []) {
      this.#addPattern(pattern, { ...own, kind: 'patterns' });
    }
    const hasLists = this.entries.length > before;
    const classifier = this.#classifier(fields.get('classifier'));
    if (!hasLists && !classifier) {
      node.fail('it checks nothing', 'give words, word_files, patterns or classifier');
    }
    this.categories.push({ name, on, action, classifier, hasLists });
  }

  #classifier(node: YamlNode | undefined): PolicyClassifier | undefined {
    if (!node) return undefined;
    const fields = node.fields(['model', 'threshold']);
    const model =
      fields.get('model') ?? node.fail('it has no "model"', 'name a folder of athanor safety train');
    const threshold = fields.get('threshold')?.number({ min: 0, max: 1 });
    return { model: this.#place(model.text()), threshold };
  }

  /** Paths are relative to the policy. */
  #place(path: string): string {
    return isAbsolute(path) ? path : join(dirname(this.file), path);
  }

  #addWord(node: YamlNode, text: string, { holds, ...entry }: NewEntry): void {
    if (!isWord(text, this.folding)) node.fail(`${JSON.stringify(text)} has no character that is compared`);
    if (this.words.length >= MOST_WORDS) node.fail(`there are over ${MOST_WORDS} words`);
    this.words.push({ text, holds, entry: this.entries.push(entry) - 1 });
  }

  /** One word or phrase per line. Lines that begin with # are comments. */
  #addWordFile(node: YamlNode, entry: NewEntry): void {
    const path = this.#place(node.text());
    const fail = (problem: string) => node.error(`${path}: ${problem}`);
    let text: string;
    try {
      text = readText(path, { most: WORD_FILE_BYTES, fail });
    } catch (error) {
      if (error instanceof AthanorError && error.code !== 'ERR_CONFIG')
        throw node.error(error.message, error.remedy);
      throw error;
    }
    this.hash.update(text);
    for (const line of text.split(/\r?\n/)) {
      const word = line.trim();
      if (word !== '' && !word.startsWith('#')) this.#addWord(node, word, entry);
    }
  }

  #addPattern(node: YamlNode, { holds, ...own }: NewEntry): void {
    if (this.patterns.length >= MOST_PATTERNS) node.fail(`there are over ${MOST_PATTERNS} patterns`);
    const entry = this.entries.push(own) - 1;
    try {
      this.patterns.push({ pattern: new Pattern(node.text(), this.folding), entry, holds });
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      node.fail(`the pattern ${JSON.stringify(node.text().slice(0, 60))} cannot be used: ${error.message}`);
    }
  }
}

function sidesOf(node: YamlNode | undefined): Side[] {
  if (!node) return ['prompt', 'response'];
  const sides = node.items().map((item) => item.word(['prompt', 'response']));
  if (sides.length === 0) node.fail('it is empty', 'give prompt, response or both');
  return [...new Set(sides)];
}

function actionOf(node: YamlNode | undefined): SafetyAction {
  return node?.word(['refuse', 'flag']) ?? 'refuse';
}
