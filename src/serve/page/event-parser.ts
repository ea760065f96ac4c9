/** Server-sent events, from pieces of text that end anywhere. */

/** Reads a stream of events; only their data counts. */
export class EventParser {
  #rest = '';
  #data: string[] = [];

  /** The data of the events that this piece completes. */
  push(piece: string): string[] {
    // A carriage return at the end may belong to a line feed that is still to come.
    const text = this.#rest + piece;
    const end = text.endsWith('\r') ? text.length - 1 : text.length;
    const lines = text.slice(0, end).split(/\r\n|\n|\r/);
    this.#rest = lines.pop()! + text.slice(end);
    const complete: string[] = [];
    for (const line of lines) {
      if (line !== '') this.#field(line);
      else if (this.#data.length > 0) {
        complete.push(this.#data.join('\n'));
        this.#data = [];
      }
    }
    return complete;
  }

  #field(line: string): void {
    const value = /^data:? ?(.*)$/s.exec(line)?.[1];
    if (value !== undefined && /^data(:|$)/.test(line)) this.#data.push(value);
  }
}
