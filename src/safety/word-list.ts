/**
 * Words and phrases, all found in one pass over a text (Aho and Corasick, 1975), in time that
 * depends on the text alone. An entry counts where a word begins and ends; white space in it stands
 * for any white space.
 */
import { type FoldingOptions, foldedPoints, isBorder } from './folding.ts';
import type { OnMatch, StreamMatcher } from './matcher.ts';

interface Node {
  next: Map<number, number>;
  depth: number;
  /** The node of the longest other suffix. */
  fail: number;
  /** Entries that end here. */
  entries: number[];
  /** The next node along `fail` that has entries; 0: none. */
  output: number;
  /** Whether a text that got here may go on to an entry that it must wait for. */
  holds: boolean;
}

/** A word or phrase. */
export interface ListedWord {
  text: string;
  /** Its number. */
  entry: number;
  /** Whether text that may become this entry is held back. */
  holds: boolean;
}

const SPACE = 0x20;

/** The automaton of a list, which any number of texts share. */
export class WordList {
  /** Number of words and phrases. */
  readonly size: number;
  readonly #nodes: Node[] = [newNode(0)];

  /** @param words none of which folds to nothing */
  constructor(words: readonly ListedWord[], options?: FoldingOptions) {
    this.size = words.length;
    for (const word of words) this.#add(normalized(foldedPoints(word.text, options)), word);
    this.#link();
  }

  get isEmpty(): boolean {
    return this.#nodes.length === 1;
  }

  /** Length of the longest entry. */
  get longest(): number {
    return this.#nodes.reduce((most, { depth }) => Math.max(most, depth), 0);
  }

  node(index: number): Readonly<Node> {
    return this.#nodes[index]!;
  }

  /** The node after another point. */
  step(from: number, point: number): number {
    for (let at = from; ; at = this.#nodes[at]!.fail) {
      const next = this.#nodes[at]!.next.get(point);
      if (next !== undefined) return next;
      if (at === 0) return 0;
    }
  }

  #add(points: readonly number[], { entry, holds }: ListedWord): void {
    let at = 0;
    for (const point of points) {
      const node = this.#nodes[at]!;
      let next = node.next.get(point);
      if (next === undefined) {
        next = this.#nodes.push(newNode(node.depth + 1)) - 1;
        node.next.set(point, next);
      }
      at = next;
      this.#nodes[at]!.holds ||= holds;
    }
    this.#nodes[at]!.entries.push(entry);
  }

  #link(): void {
    let level = [...this.#nodes[0]!.next.values()];
    while (level.length > 0) {
      const below: number[] = [];
      for (const index of level) {
        const node = this.#nodes[index]!;
        for (const [point, child] of node.next) {
          this.#nodes[child]!.fail = this.step(node.fail, point);
          below.push(child);
        }
        const fail = this.#nodes[node.fail]!;
        node.output = fail.entries.length > 0 ? node.fail : fail.output;
      }
      level = below;
    }
  }
}

function newNode(depth: number): Node {
  return { next: new Map(), depth, fail: 0, entries: [], output: 0, holds: false };
}

/** Points with single spaces, and none at the ends. */
function normalized(points: readonly number[]): number[] {
  const spaced = points.map((point) => (isSpace(point) ? SPACE : point));
  const single = spaced.filter((point, i) => point !== SPACE || (i > 0 && spaced[i - 1] !== SPACE));
  return single.at(-1) === SPACE ? single.slice(0, -1) : single;
}

/** Whether a text folds to something that a list can have. */
export function isWord(text: string, options?: FoldingOptions): boolean {
  return normalized(foldedPoints(text, options)).length > 0;
}

function isSpace(point: number): boolean {
  return (
    point === SPACE || (point >= 9 && point <= 13) || point === 0x85 || point === 0x2028 || point === 0x2029
  );
}

/** One text. */
export class WordMatcher implements StreamMatcher {
  readonly #list: WordList;
  readonly #onMatch: OnMatch;
  /** The last points and where they are, in a ring. */
  readonly #points: Int32Array;
  readonly #starts: Float64Array;
  #count = 0;
  #at = 0;
  /** Entries that end at the last point, unless a letter follows. */
  #ended: number[] = [];

  constructor(list: WordList, onMatch: OnMatch) {
    this.#list = list;
    this.#onMatch = onMatch;
    this.#points = new Int32Array(list.longest + 1);
    this.#starts = new Float64Array(list.longest + 1);
  }

  take(point: number, start: number): void {
    const own = isSpace(point) ? SPACE : point;
    if (own === SPACE && this.#count > 0 && this.#back(0) === SPACE) return;
    if (this.#ended.length > 0) this.#confirm(own);
    const slot = this.#count++ % this.#points.length;
    this.#points[slot] = own;
    this.#starts[slot] = start;
    this.#at = this.#list.step(this.#at, own);
    if (this.#at !== 0) this.#collect();
  }

  end(): void {
    this.#confirm(undefined);
    this.#at = 0;
  }

  get openFrom(): number | undefined {
    for (let at = this.#at; at !== 0; at = this.#list.node(at).fail) {
      const { depth, holds } = this.#list.node(at);
      if (!holds || !this.#beginsAt(depth)) continue;
      return this.#starts[(this.#count - depth) % this.#starts.length];
    }
    return undefined;
  }

  /** The point so many places before the last one; undefined before the text. */
  #back(places: number): number | undefined {
    const index = this.#count - 1 - places;
    return index < 0 ? undefined : this.#points[index % this.#points.length];
  }

  /** Whether a word can begin so many points before the end. */
  #beginsAt(depth: number): boolean {
    return isBorder(this.#back(depth), this.#back(depth - 1));
  }

  #collect(): void {
    for (let at = this.#at; at !== 0; at = this.#list.node(at).output) {
      const { depth, entries } = this.#list.node(at);
      if (entries.length > 0 && this.#beginsAt(depth)) this.#ended.push(...entries);
    }
  }

  #confirm(next: number | undefined): void {
    if (isBorder(this.#count > 0 ? this.#back(0) : undefined, next)) this.#ended.forEach(this.#onMatch);
    this.#ended = [];
  }
}
