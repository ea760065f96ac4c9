/**
 * Checks an answer while it is written, and says how much of it may be shown: no character of what
 * is cut. Words and patterns are looked for with every piece; text that may be the beginning of a
 * match waits. Classifiers that refuse read the answer every so many tokens and at its end; text
 * waits for that.
 */
import type { Message } from '../text/chat-template.ts';
import type { SafetyChecks, SafetyFinding, SafetyVerdict } from './checks.ts';
import type { ReadingLimit } from './reading-limit.ts';
import { TextScan } from './text-scan.ts';

/** Hears of what was decided after a piece was taken. */
export type OnProgress = (error?: Error) => void;

export class ResponseCheck {
  readonly #checks: SafetyChecks;
  readonly #messages: readonly Message[];
  readonly #limit: ReadingLimit | undefined;
  readonly #scan: TextScan;
  /** Whether text waits for classifiers, and whether any classifier reads the answer. */
  readonly #waits: boolean;
  readonly #classifies: boolean;
  readonly #classified = new Map<string, SafetyFinding>();
  #onProgress: OnProgress = () => {};
  #text = '';
  #tokens = 0;
  /** Entries of lists at the last look. */
  #foundEntries = 0;
  /** Units that the classifiers have read, and whether they have read the whole answer as such. */
  #read = 0;
  #isWholeRead = false;
  #isReading = false;
  #isOver = false;
  #isCut = false;

  constructor(checks: SafetyChecks, messages: readonly Message[], limit?: ReadingLimit) {
    this.#checks = checks;
    this.#limit = limit;
    this.#messages = messages;
    this.#scan = new TextScan(checks.policy);
    this.#classifies = checks.hasClassifier('response');
    this.#waits = this.#classifies && checks.refusesByClassifier;
  }

  /** Sets who hears when text is free, or the answer is cut, later than in push() or end(). */
  set onProgress(listener: OnProgress) {
    this.#onProgress = listener;
  }

  /** Whether the answer may not go on. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** UTF-16 units of the answer, from its beginning, that may be shown. */
  get released(): number {
    const certain = this.#scan.certain;
    return this.#waits ? Math.min(certain, this.#read) : certain;
  }

  /** Whether the whole answer is checked. */
  get isDone(): boolean {
    return this.#isOver && !this.#isReading && !this.#isDue;
  }

  /** Takes the text of a token. */
  push(text: string): void {
    if (this.#isCut || this.#isOver) return;
    this.#text += text;
    ++this.#tokens;
    this.#scan.push(text);
    this.#look();
    if (this.#tokens >= this.#checks.policy.checkEvery) this.#classify();
  }

  /** The answer is whole. */
  end(): void {
    if (this.#isCut || this.#isOver) return;
    this.#isOver = true;
    this.#scan.end();
    this.#look();
    this.#classify();
  }

  /** What was found. */
  verdict(): SafetyVerdict {
    const listed = this.#checks.findingsOf(this.#scan.found, 'response');
    return this.#checks.verdict('response', [...listed, ...this.#classified.values()]);
  }

  #look(): void {
    if (this.#scan.found.size === this.#foundEntries) return;
    this.#foundEntries = this.#scan.found.size;
    this.#isCut = this.verdict().refused;
  }

  /** Whether classifiers have something to read. */
  get #isDue(): boolean {
    if (this.#isOver && this.#checks.classifiesRefusals) return !this.#isWholeRead;
    return this.#classifies && this.#read < this.#text.length;
  }

  #classify(): void {
    if (this.#isReading || this.#isCut || !this.#isDue) return;
    const [length, isWhole] = [this.#text.length, this.#isOver];
    this.#tokens = 0;
    this.#isReading = true;
    this.#checks.classifyResponse(this.#messages, this.#text, isWhole, this.#limit).then(
      (findings) => this.#take(findings, length, isWhole),
      (error: Error) => this.#onProgress(error),
    );
  }

  #take(findings: readonly SafetyFinding[], length: number, isWhole: boolean): void {
    this.#isReading = false;
    this.#isWholeRead = isWhole;
    if (this.#isCut) return;
    for (const finding of findings) this.#classified.set(finding.category, finding);
    this.#isCut = this.verdict().refused;
    if (!this.#isCut) this.#read = length;
    if (this.#isOver || this.#tokens >= this.#checks.policy.checkEvery) this.#classify();
    this.#onProgress();
  }
}
