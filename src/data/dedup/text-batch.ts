/** Collects texts for calls of the engine that take many. */

/** Enough text that every thread has work. */
const BATCH_CHARS = 4 << 20;
/** Signatures take about a kilobyte per text while a call runs. */
const BATCH_TEXTS = 8192;

export class TextBatch<T> {
  readonly texts: string[] = [];
  readonly items: T[] = [];
  #chars = 0;

  /** Returns whether the batch is full. */
  add(text: string, item: T): boolean {
    this.texts.push(text);
    this.items.push(item);
    this.#chars += text.length;
    return this.#chars >= BATCH_CHARS || this.texts.length >= BATCH_TEXTS;
  }
}
