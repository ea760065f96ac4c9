/** Takes lines and runs of bytes from a stream of chunks. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  #ended = false;
  /** Bytes that were taken so far. */
  position = 0;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Whether no byte is left. */
  async isAtEnd(): Promise<boolean> {
    return this.#rest.length === 0 && !(await this.#more());
  }

  /**
   * The bytes of a line with its end, or of the last line without one. Undefined at the end. A line
   * is cut after `most` bytes.
   */
  async line(most: number): Promise<Buffer | undefined> {
    let from = 0;
    for (;;) {
      const end = this.#rest.indexOf(10, from) + 1;
      if (end > 0 || this.#rest.length >= most) return this.#take(Math.min(end || most, most));
      from = this.#rest.length;
      if (!(await this.#more())) return from === 0 ? undefined : this.#take(from);
    }
  }

  /** The next `count` bytes, or fewer at the end. */
  async bytes(count: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let left = count;
    while (left > 0 && !(await this.isAtEnd())) {
      const piece = this.#take(Math.min(left, this.#rest.length));
      pieces.push(piece);
      left -= piece.length;
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  /** Leaves out `count` bytes; false when there were fewer. */
  async skip(count: number): Promise<boolean> {
    let left = count;
    while (left > 0) {
      if (await this.isAtEnd()) return false;
      left -= this.#take(Math.min(left, this.#rest.length)).length;
    }
    return true;
  }

  /** Ends the stream early. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  #take(count: number): Buffer {
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    this.position += count;
    return taken;
  }

  async #more(): Promise<boolean> {
    while (!this.#ended) {
      const { value, done } = await this.#chunks.next();
      if (done) this.#ended = true;
      else if (value.length > 0) {
        this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
        return true;
      }
    }
    return false;
  }
}
