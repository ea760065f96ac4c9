/** The words and patterns of a policy over one text that may come in pieces. */
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { TextFolder } from './folding.ts';
import type { StreamMatcher } from './matcher.ts';
import { PatternMatcher } from './pattern.ts';
import type { SafetyPolicy } from './policy.ts';
import { WordMatcher } from './word-list.ts';

export class TextScan {
  readonly #folder: TextFolder;
  readonly #matchers: StreamMatcher[] = [];
  /** A pattern can begin with a mark, a word cannot. */
  readonly #holdsMarks: boolean;
  readonly #found = new Set<number>();
  #length = 0;
  #isOver = false;

  constructor(policy: SafetyPolicy) {
    const onMatch = (entry: number) => void this.#found.add(entry);
    if (!policy.words.isEmpty) this.#matchers.push(new WordMatcher(policy.words, onMatch));
    const { patterns } = policy.patterns;
    if (patterns.length > 0) this.#matchers.push(new PatternMatcher(policy.patterns, onMatch));
    this.#holdsMarks = patterns.some(({ holds }) => holds);
    const matchers = this.#matchers;
    this.#folder = new TextFolder((point, start) => {
      for (const matcher of matchers) matcher.take(point, start);
    }, policy.folding);
  }

  /** Numbers of the policy's entries that were found so far. */
  get found(): ReadonlySet<number> {
    return this.#found;
  }

  /**
   * UTF-16 units, from the beginning, that belong to no match which holds text back, whatever
   * follows.
   */
  get certain(): number {
    if (this.#isOver) return this.#length;
    let certain = this.#holdsMarks ? this.#folder.pendingFrom : this.#length;
    for (const { openFrom } of this.#matchers)
      if (openFrom !== undefined && openFrom < certain) certain = openFrom;
    return certain;
  }

  push(text: string): void {
    this.#length += text.length;
    this.#folder.push(text);
  }

  /** The text is over. */
  end(): void {
    this.#folder.end();
    for (const matcher of this.#matchers) matcher.end();
    this.#isOver = true;
  }
}

/** UTF-16 units between two turns of the event loop: a millisecond or two. */
const TURN_UNITS = 1 << 13;

/**
 * Numbers of the policy's entries in whole texts. Other work of the process can run between the
 * parts of a long text. Throws the reason of the signal.
 */
export async function scanTexts(
  policy: SafetyPolicy,
  texts: readonly string[],
  signal?: AbortSignal,
): Promise<Set<number>> {
  const found = new Set<number>();
  for (const text of texts) {
    const scan = new TextScan(policy);
    for (let at = 0; at < text.length; at += TURN_UNITS) {
      if (at > 0) await yieldToEvents();
      signal?.throwIfAborted();
      scan.push(text.slice(at, at + TURN_UNITS));
    }
    scan.end();
    for (const entry of scan.found) found.add(entry);
  }
  return found;
}
